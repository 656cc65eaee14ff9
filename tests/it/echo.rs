//! The echo server of the conformance README, which request nodes call. HTTP/1.1 is written by hand because the
//! recorded answers pin every header, and because one path has to close the connection without an answer.

use std::io;
use std::num::ParseIntError;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use percent_encoding::percent_decode;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A running echo server; it stops, with all its connections, when this is dropped.
pub struct Echo {
    /// No slash at its end.
    pub base_url: String,
    _server: JoinSet<()>,
}

/// Starts an echo server on a free port of the loopback interface.
pub async fn start() -> io::Result<Echo> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base_url = format!("http://{}", listener.local_addr()?);
    let mut server = JoinSet::new();
    server.spawn(accept(listener));
    Ok(Echo { base_url, _server: server })
}

async fn accept(listener: TcpListener) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(async {
            // A connection that breaks is the client's affair; its test sees it.
            let _ = serve(stream).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some(request) = Request::read(&mut stream).await? {
        let Some(reply) = answer(&request).await else { return Ok(()) };
        stream.write_all(&reply.to_bytes(&request.method)).await?;
        if request.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            return Ok(());
        }
    }
    Ok(())
}

/// None closes the connection without an answer.
async fn answer(request: &Request) -> Option<Reply> {
    let segments = request.path.trim_start_matches('/').split('/').collect::<Vec<_>>();
    let reply = match segments.as_slice() {
        ["close"] => return None,
        ["text"] => Reply { status: 200, content_type: "text/plain", body: "plain text".to_owned() },
        ["status", number] => match number.parse() {
            Ok(status) => Reply::json(status, &json!({"status": status})),
            Err(_) => request.echo(),
        },
        ["slow", number] => match number.parse() {
            Ok(milliseconds) => {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                Reply::json(200, &json!({"slow": milliseconds}))
            }
            Err(_) => request.echo(),
        },
        _ => request.echo(),
    };
    Some(reply)
}

struct Request {
    method: String,
    /// As it was sent, without the query.
    path: String,
    query: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// None when the client has closed the connection between two requests.
    async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Self>> {
        let Some(head) = read_head(stream).await? else { return Ok(None) };
        let mut lines = head.iter();
        let mut words = lines.next().map_or("", String::as_str).split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers = lines.filter_map(|line| line.split_once(':'));
        let mut request = Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect(),
            body: Vec::new(),
        };
        request.body = request.read_body(stream).await?;
        Ok(Some(request))
    }

    async fn read_body(&self, stream: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
        if self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return read_chunks(stream).await;
        }
        let length = self.header("content-length").map_or(Ok(0), str::parse).map_err(invalid)?;
        read_exactly(stream, length).await
    }

    /// `name` in lower case.
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    fn echo(&self) -> Reply {
        let content_type = self.header("content-type").unwrap_or_default();
        let x = self.headers.iter().filter(|(name, _)| name.starts_with("x-"));
        let echo = json!({
            "method": self.method,
            "path": self.path,
            "query": self.decoded_query(),
            "contentType": content_type.split(';').next().unwrap_or_default().trim(),
            "x": x.map(|(name, value)| (name.clone(), value.as_str().into())).collect::<Map<_, _>>(),
            "body": String::from_utf8_lossy(&self.body),
        });
        Reply::json(200, &echo)
    }

    fn decoded_query(&self) -> Value {
        let decode = |text: &str| {
            let spaces = text.replace('+', " ");
            percent_decode(spaces.as_bytes()).decode_utf8_lossy().into_owned()
        };
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.map(|(name, value)| json!([decode(name), decode(value)])).collect()
    }
}

struct Reply {
    status: u16,
    content_type: &'static str,
    body: String,
}

impl Reply {
    fn json(status: u16, body: &Value) -> Self {
        Self { status, content_type: "application/json", body: in_ascii(&body.to_string()) }
    }

    fn to_bytes(&self, method: &str) -> Vec<u8> {
        // Nothing may follow the head here, or the client takes it for the next answer.
        let body = if method == "HEAD" || matches!(self.status, 204 | 304) { "" } else { &self.body };
        let reason = reqwest::StatusCode::from_u16(self.status).ok();
        let reason = reason.and_then(|status| status.canonical_reason()).unwrap_or_default();
        let date = DateTime::<Utc>::from(SystemTime::now()).format("%a, %d %b %Y %H:%M:%S GMT");
        format!(
            "HTTP/1.1 {} {reason}\r\nserver: BaseHTTP/0.6 sidehook\r\ndate: {date}\r\ncontent-type: {}\r\n\
             content-length: {}\r\nx-echo: 1\r\n\r\n{body}",
            self.status,
            self.content_type,
            self.body.len(),
        )
        .into_bytes()
    }
}

/// Outside of ASCII everything becomes `\uXXXX`, in UTF-16 as JSON has it.
fn in_ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            text.push(character);
        } else {
            let units = character.encode_utf16(&mut [0; 2]).to_vec();
            text.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    text
}

/// The request line and the headers; None at the end of the stream.
async fn read_head(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<String>>> {
    let mut head = Vec::new();
    while let Some(line) = read_line(stream).await? {
        if line.is_empty() {
            return Ok(Some(head));
        }
        head.push(line);
    }
    if head.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// A line without its end, in Latin-1 as Node.js reads heads; None at the end of the stream.
async fn read_line(stream: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if stream.read_until(b'\n', &mut line).await? == 0 {
        return Ok(None);
    }
    let line: String = line.iter().map(|byte| char::from(*byte)).collect();
    Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
}

async fn read_exactly(stream: &mut BufReader<TcpStream>, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

async fn read_chunks(stream: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(stream).await?.unwrap_or_default();
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(invalid)?;
        body.extend(read_exactly(stream, size).await?);
        // After a chunk comes the end of its line; after the last one, trailers up to an empty line.
        while read_line(stream).await?.is_some_and(|line| size == 0 && !line.is_empty()) {}
        if size == 0 {
            return Ok(body);
        }
    }
}

fn invalid(error: ParseIntError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends `requests` over one connection and gives back all that comes until the server closes it.
    async fn exchange(requests: &str) -> String {
        let echo = start().await.unwrap();
        let address = echo.base_url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(requests.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).await.unwrap();
        answers
    }

    fn bodies(answers: &str) -> Vec<&str> {
        answers.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.split("\r\n\r\n").nth(1)).collect()
    }

    #[tokio::test]
    async fn answers_have_exactly_the_recorded_headers() {
        let answer = exchange("GET /status/404 HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let lines = answer.split("\r\n").collect::<Vec<_>>();
        assert_eq!(lines[0], "HTTP/1.1 404 Not Found");
        assert!(lines[1].starts_with("server: BaseHTTP/"));
        assert!(lines[2].starts_with("date: ") && lines[2].ends_with(" GMT"));
        let rest =
            ["content-type: application/json", "content-length: 14", "x-echo: 1", "", r#"{"status":404}"#];
        assert_eq!(lines[3..], rest);
    }

    #[tokio::test]
    async fn request_is_echoed_with_its_keys_in_order() {
        let answer = exchange(
            "POST /echo/%C3%BC?a=1+2&a=%26&b HTTP/1.1\r\nX-One: 1\r\nContent-Type: Text/plain; charset=x\r\n\
             Content-Length: 7\r\n\r\n\"é😀",
        )
        .await;
        let expected = concat!(
            r#"{"method":"POST","path":"/echo/%C3%BC","query":[["a","1 2"],["a","&"],["b",""]],"#,
            r#""contentType":"Text/plain","x":{"x-one":"1"},"body":"\"\u00e9\ud83d\ude00"}"#
        );
        assert_eq!(bodies(&answer), [expected]);
    }

    #[tokio::test]
    async fn connection_is_kept_until_close() {
        let answers = exchange(concat!(
            "GET /text HTTP/1.1\r\n\r\n",
            "POST /x HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1;e=1\r\nc\r\n0\r\nt: 1\r\n\r\n",
            "HEAD /text HTTP/1.1\r\n\r\n",
            "GET /slow/1 HTTP/1.1\r\n\r\n",
            "GET /close HTTP/1.1\r\n\r\n",
            "GET /text HTTP/1.1\r\n\r\n",
        ))
        .await;
        let chunked = r#"{"method":"POST","path":"/x","query":[],"contentType":"","x":{},"body":"abc"}"#;
        assert_eq!(bodies(&answers), ["plain text", chunked, "", r#"{"slow":1}"#]);
    }

    #[tokio::test]
    async fn dropping_stops_the_server_and_its_connections() {
        let echo = start().await.unwrap();
        let address = echo.base_url.trim_start_matches("http://").to_owned();
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(b"GET /slow/60000 HTTP/1.1\r\n\r\n").await.unwrap();
        drop(echo);
        let ended = tokio::time::timeout(Duration::from_secs(5), stream.read_u8()).await.unwrap();
        assert!(ended.is_err());
        assert!(TcpStream::connect(&address).await.is_err());
    }
}
