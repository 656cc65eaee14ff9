//! What came back, in the shape that axios gives it: headers as an object, the body decompressed, read as
//! UTF-8 and parsed as JSON where it is JSON, whatever its type says.

use std::io::{self, Read};

use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use crate::expr::{Object, Value, json};
use crate::field::latin1;

/// A response whose body has been read.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub status_text: String,
    /// Names in lower case, values as texts.
    pub headers: Value,
    pub data: Value,
}

/// How a stream of "large window brotli" begins, but for the first bit of its first byte.
const LARGE_BROTLI: u8 = 0x11;

/// Headers of which Node.js keeps the first one only.
const SINGLE: [&str; 18] = [
    "age",
    "authorization",
    "content-length",
    "content-type",
    "etag",
    "expires",
    "from",
    "host",
    "if-modified-since",
    "if-unmodified-since",
    "last-modified",
    "location",
    "max-forwards",
    "proxy-authorization",
    "referer",
    "retry-after",
    "server",
    "user-agent",
];

/// The headers as Node.js gives them: in the order in which they came, values in Latin-1, repeated ones
/// joined, cookies to be set included, as axios writes them to JSON. `content-encoding` only where the body
/// keeps its encoding.
pub(super) fn headers(map: &HeaderMap, keeps_encoding: bool) -> Value {
    let mut object = Object::with_capacity(map.keys_len());
    for name in map.keys().filter(|name| keeps_encoding || **name != CONTENT_ENCODING) {
        let mut values = map.get_all(name).iter().map(|value| latin1(value.as_bytes()));
        let value = match name.as_str() {
            single if SINGLE.contains(&single) => Value::from(values.next().unwrap_or_default()),
            "cookie" => Value::from(values.collect::<Vec<_>>().join("; ")),
            _ => Value::from(values.collect::<Vec<_>>().join(", ")),
        };
        object.insert(name.as_str(), value);
    }
    Value::from(object)
}

/// A content encoding that axios decodes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Encoding {
    /// gzip, or zlib where the bytes look like it.
    Gzip,
    /// zlib, or without a header.
    Deflate,
    Brotli,
}

/// The encoding of a body, when it is one that is decoded.
pub(super) fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    match latin1(headers.get(CONTENT_ENCODING)?.as_bytes()).to_lowercase().as_str() {
        "gzip" | "x-gzip" | "compress" | "x-compress" => Some(Encoding::Gzip),
        "deflate" => Some(Encoding::Deflate),
        "br" => Some(Encoding::Brotli),
        _ => None,
    }
}

/// Why a body could not be decoded.
#[derive(Debug, PartialEq)]
pub(super) enum Undecoded {
    TooLong,
    Corrupt,
}

/// Decompresses a body into at most `limit` bytes. What was cut off at the end is left out, as by axios.
pub(super) fn decode(encoding: Encoding, body: &[u8], limit: usize) -> Result<Vec<u8>, Undecoded> {
    match encoding {
        Encoding::Gzip if body.starts_with(&[0x1f, 0x8b]) => gunzip(body, limit),
        Encoding::Deflate if body.first() != Some(&0x78) => {
            read(flate2::read::DeflateDecoder::new(body), Vec::new(), limit)
        }
        Encoding::Gzip | Encoding::Deflate => read(flate2::read::ZlibDecoder::new(body), Vec::new(), limit),
        // "Large window brotli", which may ask for 1 GB. Node.js refuses it too.
        Encoding::Brotli if body.first().is_some_and(|first| first & 0x7f == LARGE_BROTLI) => {
            Err(Undecoded::Corrupt)
        }
        Encoding::Brotli => read(brotli_decompressor::Decompressor::new(body, 4096), Vec::new(), limit),
    }
}

/// All members of a gzip file; what follows the last one is ignored.
fn gunzip(body: &[u8], limit: usize) -> Result<Vec<u8>, Undecoded> {
    let (mut rest, mut out) = (body, Vec::new());
    while rest.starts_with(&[0x1f, 0x8b]) {
        let mut decoder = flate2::bufread::GzDecoder::new(rest);
        out = read(&mut decoder, out, limit)?;
        rest = decoder.into_inner();
    }
    Ok(out)
}

fn read(decoder: impl Read, mut out: Vec<u8>, limit: usize) -> Result<Vec<u8>, Undecoded> {
    let room = (limit - out.len()) as u64;
    match decoder.take(room + 1).read_to_end(&mut out) {
        _ if out.len() > limit => Err(Undecoded::TooLong),
        Ok(_) => Ok(out),
        Err(err) if err.kind() == io::ErrorKind::UnexpectedEof => Ok(out),
        Err(_) => Err(Undecoded::Corrupt),
    }
}

/// The body as a value: UTF-8 whatever its charset, without a byte order mark, parsed where it is JSON.
pub(super) fn data(body: &[u8]) -> Value {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    json::parse(body).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(body).into_owned()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use http::{HeaderName, HeaderValue};

    use super::*;

    fn map(headers: &[(&'static str, &[u8])]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &[u8])| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value).expect("a value"))
        };
        let mut map = HeaderMap::new();
        headers.iter().map(pair).for_each(|(name, value)| {
            map.append(name, value);
        });
        map
    }

    #[test]
    fn headers_are_joined_as_node_joins_them() {
        let map = map(&[
            ("x-b", b"1"),
            ("content-type", b"a/b"),
            ("set-cookie", b"a=1"),
            ("set-cookie", b"b=2"),
            ("x-b", b"\xe9"),
            ("content-type", b"c/d"),
            ("a", b""),
        ]);
        let expected = r#"{"x-b":"1, é","content-type":"a/b","set-cookie":"a=1, b=2","a":""}"#;
        assert_eq!(json::stringify_or_null(&headers(&map, true)), expected);
    }

    #[test]
    fn data_is_parsed_where_it_is_json() {
        let cases: [(&[u8], &str); 7] = [
            (b"", r#""""#),
            (b"123", "123"),
            (b" {\"b\":1,\"a\":[null]} ", r#"{"b":1,"a":[null]}"#),
            (b"\xef\xbb\xbftrue", "true"),
            (b"plain", r#""plain""#),
            (b"{bad", r#""{bad""#),
            (b"\xff\xc3\xa9", "\"\u{fffd}é\""),
        ];
        for (body, expected) in cases {
            assert_eq!(json::stringify_or_null(&data(body)), expected, "{body:?}");
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).expect("written");
        encoder.finish().expect("finished")
    }

    #[test]
    fn bodies_are_decompressed_within_the_limit() {
        let text = "abcdefgh".repeat(100);
        let packed = gzip(text.as_bytes());
        assert_eq!(decode(Encoding::Gzip, &packed, 800).expect("it fits"), text.as_bytes());
        assert_eq!(decode(Encoding::Gzip, &packed, 799), Err(Undecoded::TooLong));
        let twice = [packed.clone(), packed.clone(), b"garbage".to_vec()].concat();
        assert_eq!(decode(Encoding::Gzip, &twice, 2000).expect("two members").len(), 1600);
        assert!(text.as_bytes().starts_with(&decode(Encoding::Gzip, &packed[..20], 800).expect("cut off")));
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(text.as_bytes()).expect("written");
        let zlib = zlib.finish().expect("finished");
        assert_eq!(decode(Encoding::Deflate, &zlib, 800).expect("zlib"), text.as_bytes());
        assert_eq!(decode(Encoding::Deflate, &zlib[2..], 800).expect("bare"), text.as_bytes());
        assert_eq!(decode(Encoding::Gzip, b"no gzip at all", 800), Err(Undecoded::Corrupt));
        // `abc` as Node.js packs it with a window of 30 bits.
        let large = [0x11, 0x1e, 0x04, 0x00, 0x02, b'a', b'b', b'c', 0x03];
        assert_eq!(decode(Encoding::Brotli, &large, 800), Err(Undecoded::Corrupt));
        assert_eq!(
            decode(Encoding::Brotli, &[0x0b, 0x01, 0x80, b'a', b'b', b'c', 0x03], 9).expect("brotli"),
            b"abc"
        );
        assert_eq!(decode(Encoding::Gzip, b"", 800).expect("nothing"), b"");
    }

    #[test]
    fn known_encodings_are_told_apart() {
        for (value, expected) in
            [("GZIP", Some(Encoding::Gzip)), ("br", Some(Encoding::Brotli)), ("zstd", None)]
        {
            let map = map(&[("content-encoding", value.as_bytes()), ("a", b"b")]);
            assert_eq!(encoding(&map), expected);
            assert_eq!(json::stringify_or_null(&headers(&map, false)), r#"{"a":"b"}"#);
        }
    }
}
