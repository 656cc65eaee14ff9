//! Bodies that are compressed on their way (RFC 9110, section 8.4): which codings are known, and what unpacking may
//! take in bytes and time.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use brotli_decompressor::Decompressor;
use flate2::bufread::GzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use crate::webhook::memory::{Share, Shortage};
use crate::webhook::refusal::Refusal;

/// Each coding may be applied once: nobody does it more often but to make others work.
const MAX_CODINGS: usize = 4;
/// So much is unpacked at a time, and read between two looks at the clock.
const PIECE: usize = 16 << 10;
/// What a decoder keeps of its output beside the output itself: gzip and deflate 32 KB and their state; a window of
/// brotli up to 16 MB (RFC 7932, section 9.1); of zstd up to 8 MB, as RFC 9659 limits it for HTTP.
const DEFLATE_WINDOW: usize = 64 << 10;
const BROTLI_WINDOW: usize = 16 << 20;
const ZSTD_WINDOW: usize = 8 << 20;
/// The first byte of a stream of "large window brotli", which is no content coding and may ask for 1 GB.
const LARGE_BROTLI: u8 = 0x11;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A content coding that is unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Gzip,
    /// zlib, or bare deflate, which some clients send.
    Deflate,
    Brotli,
    Zstd,
}

/// What unpacking may take.
#[derive(Clone, Copy)]
pub struct Bounds<'a> {
    /// The most bytes, after each coding.
    pub limit: usize,
    pub share: &'a Share,
    /// Asked now and then whether it has taken too long.
    pub is_late: &'a dyn Fn() -> bool,
}

/// Why a body was not unpacked.
#[derive(Debug)]
enum Fault {
    Broken,
    TooLong,
    Late,
    NoMemory(Shortage),
}

/// The codings that a `Content-Encoding` header names, in the order in which they were applied. Refuses (415) those
/// that are not known.
pub fn codings(header: &str) -> Result<Vec<Coding>, Refusal> {
    let names = header.split(',').map(str::trim);
    let applied = names.filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity"));
    let codings: Option<Vec<Coding>> = applied.map(Coding::of_name).collect();
    codings.filter(|codings| codings.len() <= MAX_CODINGS).ok_or_else(|| unsupported(header))
}

/// The body as it was before it was compressed. Refuses what is broken (400) or too much (413).
pub fn unpack<'b>(
    codings: &[Coding],
    bytes: &'b [u8],
    bounds: &Bounds<'_>,
) -> Result<Cow<'b, [u8]>, Refusal> {
    let mut unpacked = Cow::Borrowed(bytes);
    // Some clients name a coding for no body at all.
    for coding in codings.iter().rev().filter(|_| !bytes.is_empty()) {
        let made = coding.unpack(&unpacked, bounds).map_err(|fault| fault.refusal(*coding, bounds))?;
        if let Cow::Owned(before) = &unpacked {
            bounds.share.give_back(before.capacity());
        }
        unpacked = Cow::Owned(made);
    }
    Ok(unpacked)
}

impl Coding {
    fn of_name(name: &str) -> Option<Self> {
        Some(match &*name.to_ascii_lowercase() {
            // Both names are one coding (RFC 9110, section 8.4.1.3).
            "gzip" | "x-gzip" => Self::Gzip,
            "deflate" => Self::Deflate,
            "br" => Self::Brotli,
            "zstd" => Self::Zstd,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    fn window(self) -> usize {
        match self {
            Self::Gzip | Self::Deflate => DEFLATE_WINDOW,
            Self::Brotli => BROTLI_WINDOW,
            Self::Zstd => ZSTD_WINDOW,
        }
    }

    fn unpack(self, bytes: &[u8], bounds: &Bounds<'_>) -> Result<Vec<u8>, Fault> {
        bounds.share.grow(self.window()).map_err(Fault::NoMemory)?;
        let mut out = Output { bytes: Vec::new(), bounds };
        let input = Input { rest: bytes, is_late: bounds.is_late };
        let unpacked = match self {
            Self::Gzip => gunzip(input, &mut out),
            Self::Deflate => inflate(input, &mut out),
            Self::Brotli if bytes.first().is_some_and(|first| first & 0x7f == LARGE_BROTLI) => {
                Err(Fault::Broken)
            }
            Self::Brotli => out.take_all(&mut Decompressor::new(input, PIECE)),
            Self::Zstd => unzstd(input, &mut out),
        };
        bounds.share.give_back(self.window());
        unpacked.map(|()| out.bytes)
    }
}

/// All members of a gzip file; what follows the last one is ignored, as Node.js does.
fn gunzip(mut input: Input<'_>, out: &mut Output<'_>) -> Result<(), Fault> {
    loop {
        let mut decoder = GzDecoder::new(input);
        out.take_all(&mut decoder)?;
        input = decoder.into_inner();
        if !input.rest.starts_with(&GZIP_MAGIC) {
            return Ok(());
        }
    }
}

/// One stream with the header of zlib or without one.
fn inflate(mut input: Input<'_>, out: &mut Output<'_>) -> Result<(), Fault> {
    let is_zlib = matches!(input.rest, [method, flags, ..]
        if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31));
    let mut state = Decompress::new(is_zlib);
    let mut piece = vec![0; PIECE];
    loop {
        let given = input.fill_buf().map_err(|_| Fault::Late)?;
        let (read, written) = (state.total_in(), state.total_out());
        let status = state.decompress(given, &mut piece, FlushDecompress::None).map_err(|_| Fault::Broken)?;
        let (read, written) = ((state.total_in() - read) as usize, (state.total_out() - written) as usize);
        input.consume(read);
        out.take(&piece[..written])?;
        match status {
            Status::StreamEnd => return Ok(()),
            // It breaks off.
            _ if read == 0 && written == 0 => return Err(Fault::Broken),
            _ => {}
        }
    }
}

/// All frames; those to be skipped (RFC 8878, section 3.1.2) have nothing in them.
fn unzstd(mut input: Input<'_>, out: &mut Output<'_>) -> Result<(), Fault> {
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(ZSTD_WINDOW as u64);
    while !input.rest.is_empty() {
        match StreamingDecoder::new_with_decoder(&mut input, &mut decoder) {
            Ok(mut frame) => out.take_all(&mut frame)?,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length, ..
            })) => {
                input.rest = input.rest.get(length as usize..).ok_or(Fault::Broken)?;
                continue;
            }
            Err(_) => return Err(input.fault()),
        }
        let sent = decoder.get_checksum_from_data();
        if sent.is_some() && sent != decoder.get_calculated_checksum() {
            return Err(Fault::Broken);
        }
    }
    Ok(())
}

/// The bytes to be unpacked, a piece at a time: what takes long without making anything is found out here.
struct Input<'a> {
    rest: &'a [u8],
    is_late: &'a dyn Fn() -> bool,
}

impl Input<'_> {
    /// What an error of a decoder means.
    fn fault(&self) -> Fault {
        if (self.is_late)() { Fault::Late } else { Fault::Broken }
    }
}

impl BufRead for Input<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if (self.is_late)() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(&self.rest[..self.rest.len().min(PIECE)])
    }

    fn consume(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut given = self.fill_buf()?;
        let read = given.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

/// What was unpacked so far, paid for before there is room for it.
struct Output<'a> {
    bytes: Vec<u8>,
    bounds: &'a Bounds<'a>,
}

impl Output<'_> {
    fn take_all(&mut self, decoder: &mut impl Read) -> Result<(), Fault> {
        let mut piece = vec![0; PIECE];
        loop {
            let broken = |_| if (self.bounds.is_late)() { Fault::Late } else { Fault::Broken };
            match decoder.read(&mut piece).map_err(broken)? {
                0 => return Ok(()),
                read => self.take(&piece[..read])?,
            }
        }
    }

    fn take(&mut self, piece: &[u8]) -> Result<(), Fault> {
        let Bounds { limit, share, is_late } = self.bounds;
        let (length, room) = (self.bytes.len() + piece.len(), self.bytes.capacity());
        if length > *limit {
            return Err(Fault::TooLong);
        }
        if is_late() {
            return Err(Fault::Late);
        }
        if length > room {
            let larger = (2 * room).clamp(length, (*limit).max(length));
            share.grow(larger - room).map_err(Fault::NoMemory)?;
            self.bytes.reserve_exact(larger - self.bytes.len());
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }
}

impl Fault {
    fn refusal(self, coding: Coding, bounds: &Bounds<'_>) -> Refusal {
        match self {
            Self::Broken => Refusal::bad_request(format!("The body is not valid {}.", coding.name())),
            Self::TooLong => Refusal::too_large(bounds.limit),
            Self::Late => Refusal::new(413, "The body takes too long to unpack."),
            Self::NoMemory(shortage) => Refusal::out_of_memory(shortage),
        }
    }
}

/// Names the coding, as NocoBase does: the one thing that is repeated to a sender, so it has to look like a name. Says
/// which ones are known (RFC 9110, section 12.5.3).
fn unsupported(header: &str) -> Refusal {
    let is_name = |c: &char| c.is_ascii_alphanumeric() || "-_, ".contains(*c);
    let name: String = header.chars().filter(is_name).take(40).collect();
    let text = format!("Unsupported Content-Encoding: {name}. Send the body as it is.");
    let known = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd].map(Coding::name).join(", ");
    Refusal { headers: vec![("Accept-Encoding", known)], ..Refusal::unsupported_type(text) }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;
    use crate::webhook::memory::Memory;

    fn written(mut encoder: impl Write, bytes: &[u8]) {
        encoder.write_all(bytes).expect("written");
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        written(GzEncoder::new(&mut out, Compression::best()), bytes);
        out
    }

    fn packed(coding: Coding, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match coding {
            Coding::Gzip => return gzip(bytes),
            Coding::Deflate => written(ZlibEncoder::new(&mut out, Compression::best()), bytes),
            Coding::Zstd => {
                let level = ruzstd::encoding::CompressionLevel::Fastest;
                return ruzstd::encoding::compress_to_vec(bytes, level);
            }
            // 4 MB of one byte, made by Google's encoder; there is none among the dependencies.
            Coding::Brotli => return BROTLI_BOMB.to_vec(),
        }
        out
    }

    /// `brotliCompressSync(Buffer.alloc(4 << 20, 32))` of Node.js 20.
    const BROTLI_BOMB: [u8; 14] = [155, 255, 255, 63, 248, 37, 64, 226, 177, 64, 32, 247, 254, 7];

    fn status(codings: &[Coding], bytes: &[u8], limit: usize, share: &Share) -> Result<usize, u16> {
        let bounds = Bounds { limit, share, is_late: &|| false };
        unpack(codings, bytes, &bounds).map(|bytes| bytes.len()).map_err(|refusal| refusal.status)
    }

    const ALL: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];

    #[test]
    fn a_bomb_costs_no_more_memory_than_its_limit() {
        const SIZE: usize = 4 << 20;
        for coding in ALL {
            let bomb = packed(coding, &vec![32; SIZE]);
            assert!(bomb.len() < SIZE / 500, "{coding:?}: {}", bomb.len());
            let memory = Memory::new(256 << 20);
            let share = memory.share();
            assert_eq!(status(&[coding], &bomb, SIZE, &share), Ok(SIZE), "{coding:?}");
            assert_eq!(memory.used(), SIZE, "{coding:?} keeps what it came to and no window");
            assert_eq!(status(&[coding], &bomb, SIZE - 1, &memory.share()), Err(413), "{coding:?}");
            // Its window fits in, and half of the output does not.
            let small = Memory::new(2 * (coding.window() + SIZE / 2));
            assert_eq!(status(&[coding], &bomb, SIZE, &small.share()), Err(413), "{coding:?}");
            let others = small.share();
            assert_eq!(others.grow(small.used() + coding.window() + SIZE / 2), Ok(()));
            let rest = small.share();
            assert_eq!(rest.grow(coding.window()), Ok(()));
            assert_eq!(status(&[coding], &bomb, SIZE, &small.share()), Err(503), "{coding:?} beside others");
        }
    }

    #[test]
    fn each_layer_of_a_bomb_is_limited() {
        let inner = gzip(&vec![0; 16 << 20]);
        let outer = gzip(&inner);
        assert!(outer.len() < 1000 && inner.len() > 15_000);
        let memory = Memory::new(256 << 20);
        assert_eq!(status(&[Coding::Gzip; 2], &outer, 15_000, &memory.share()), Err(413));
        assert_eq!(status(&[Coding::Gzip; 2], &outer, 1 << 20, &memory.share()), Err(413));
        let share = memory.share();
        assert_eq!(status(&[Coding::Gzip; 2], &outer, 16 << 20, &share), Ok(16 << 20));
        assert!(memory.used() < (16 << 20) + 1000, "the first layer is given back: {}", memory.used());
    }

    #[test]
    fn a_layer_with_nothing_in_it_is_broken_or_empty() {
        let share = Memory::new(256 << 20).share();
        for (coding, expected) in ALL.into_iter().zip([Err(400), Err(400), Err(400), Ok(0)]) {
            assert_eq!(status(&[coding, Coding::Gzip], &gzip(b""), 1 << 20, &share), expected, "{coding:?}");
        }
    }

    #[test]
    fn what_takes_long_without_making_anything_is_given_up() {
        let empty = [gzip(b"").repeat(50_000), packed(Coding::Zstd, b"").repeat(50_000)];
        for (coding, bytes) in [Coding::Gzip, Coding::Zstd].into_iter().zip(empty) {
            let (asked, memory) = (Cell::new(0), Memory::new(256 << 20));
            let is_late = || asked.replace(asked.get() + 1) >= 20;
            let bounds = Bounds { limit: 1 << 20, share: &memory.share(), is_late: &is_late };
            let refusal = unpack(&[coding], &bytes, &bounds).expect_err("it is late");
            assert_eq!((refusal.status, asked.get() < 30), (413, true), "{coding:?}");
        }
    }

    #[test]
    fn both_forms_of_deflate_are_told_apart() {
        let mut bare = Vec::new();
        written(DeflateEncoder::new(&mut bare, Compression::fast()), b"text");
        let share = Memory::new(1 << 20).share();
        assert_eq!(status(&[Coding::Deflate], &bare, 4, &share), Ok(4));
        assert_eq!(status(&[Coding::Deflate], &packed(Coding::Deflate, b"text"), 4, &share), Ok(4));
        // What comes after the end does not count.
        assert_eq!(status(&[Coding::Deflate], &[bare, b"more".to_vec()].concat(), 4, &share), Ok(4));
    }

    #[test]
    fn a_stream_that_breaks_off_anywhere_is_broken() {
        let text: Vec<u8> = (0..2000_u32).flat_map(|n| (n * n).to_le_bytes()).collect();
        for coding in [Coding::Gzip, Coding::Deflate, Coding::Zstd, Coding::Brotli] {
            let whole = packed(coding, &text);
            for end in (1..whole.len()).step_by(1.max(whole.len() / 40)) {
                let share = Memory::new(256 << 20).share();
                assert_eq!(status(&[coding], &whole[..end], 8 << 20, &share), Err(400), "{coding:?} {end}");
            }
        }
    }

    #[test]
    fn codings_are_read_in_the_order_of_the_header() {
        let known = |header| codings(header).map_err(|refusal| refusal.headers[0].1.clone());
        assert_eq!(known(" , identity"), Ok(vec![]));
        assert_eq!(known("GZIP,identity, x-gzip,br"), Ok(vec![Coding::Gzip, Coding::Gzip, Coding::Brotli]));
        for unknown in ["compress", "gzip;q=1", "gzip, utf-8", "*"] {
            assert_eq!(known(unknown), Err("gzip, deflate, br, zstd".to_owned()), "{unknown}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_unpacked_or_refused(
            applied in proptest::collection::vec(0..4_usize, 1..4),
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let memory = Memory::new(256 << 20);
            let applied: Vec<Coding> = applied.into_iter().map(|index| ALL[index]).collect();
            let share = memory.share();
            let unpacked = status(&applied, &bytes, 100_000, &share);
            prop_assert!(unpacked.is_ok_and(|length| length <= 100_000) || matches!(unpacked, Err(400 | 413)));
        }
    }
}
