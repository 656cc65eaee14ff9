//! Packing and unpacking of `zlib`, by parts, so that a script whose time is up is not kept by them.

use std::io::Read;
use std::sync::Arc;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use rquickjs::{Ctx, Function, Object};

use super::{Bytes, LARGEST, or_throw};
use crate::script::crew::Watch;

/// The window of all three formats: 32 KiB.
const WINDOW: u8 = 15;
const PART: usize = 64 << 10;
const INTERRUPTED: &str = "interrupted";
const UNFINISHED: &str = "unexpected end of file";

pub(super) fn add<'js>(ctx: &Ctx<'js>, native: &Object<'js>, watch: &Arc<Watch>) -> rquickjs::Result<()> {
    let watched = watch.clone();
    native.set(
        "pack",
        Function::new(ctx.clone(), move |ctx: Ctx<'js>, format: String, level: i32, data: Bytes| {
            or_throw(&ctx, pack(&format, level, &data.0, &watched)).map(Bytes)
        })?,
    )?;
    let watched = watch.clone();
    native.set(
        "unpack",
        Function::new(ctx.clone(), move |ctx: Ctx<'js>, format: String, most: usize, data: Bytes| {
            or_throw(&ctx, unpack(&format, most.min(LARGEST), &data.0, &watched)).map(Bytes)
        })?,
    )
}

fn pack(format: &str, level: i32, data: &[u8], watch: &Watch) -> Result<Vec<u8>, String> {
    let level = u32::try_from(level).map_or(Compression::default(), |level| Compression::new(level.min(9)));
    let mut packer = match format {
        "gzip" => Compress::new_gzip(level, WINDOW),
        "deflate" => Compress::new(level, true),
        _ => Compress::new(level, false),
    };
    let mut out = Vec::new();
    loop {
        if watch.is_over() {
            return Err(INTERRUPTED.to_owned());
        }
        out.reserve(PART);
        let rest = data.get(usize::try_from(packer.total_in()).unwrap_or(usize::MAX)..).unwrap_or_default();
        let (part, flush) = match rest.len() > PART {
            true => (&rest[..PART], FlushCompress::None),
            false => (rest, FlushCompress::Finish),
        };
        match packer.compress_vec(part, &mut out, flush) {
            Ok(Status::StreamEnd) => return Ok(out),
            Ok(_) => {}
            Err(err) => return Err(err.to_string()),
        }
    }
}

fn unpack(format: &str, most: usize, data: &[u8], watch: &Watch) -> Result<Vec<u8>, String> {
    match format {
        "brotli" => unpack_brotli(most, data, watch),
        // Members of gzip may follow each other.
        "gzip" => {
            let (mut out, mut rest) = (Vec::new(), data);
            loop {
                let taken = unpack_one(Decompress::new_gzip(WINDOW), most, rest, &mut out, watch)?;
                rest = &rest[taken..];
                if !rest.starts_with(&[0x1f, 0x8b]) {
                    return Ok(out);
                }
            }
        }
        "deflate" => unpacked(Decompress::new(true), most, data, watch),
        _ => unpacked(Decompress::new(false), most, data, watch),
    }
}

fn unpacked(unpacker: Decompress, most: usize, data: &[u8], watch: &Watch) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    unpack_one(unpacker, most, data, &mut out, watch)?;
    Ok(out)
}

/// How many bytes belonged to it.
fn unpack_one(
    mut unpacker: Decompress,
    most: usize,
    data: &[u8],
    out: &mut Vec<u8>,
    watch: &Watch,
) -> Result<usize, String> {
    loop {
        if watch.is_over() {
            return Err(INTERRUPTED.to_owned());
        }
        let taken = usize::try_from(unpacker.total_in()).unwrap_or(usize::MAX);
        let before = (taken, out.len());
        out.reserve(PART);
        let rest = data.get(taken..).unwrap_or_default();
        let status = unpacker.decompress_vec(rest, out, FlushDecompress::None);
        let taken = usize::try_from(unpacker.total_in()).unwrap_or(usize::MAX);
        if out.len() > most {
            return Err(too_large(most));
        }
        match status {
            Ok(Status::StreamEnd) => return Ok(taken),
            Ok(_) if (taken, out.len()) == before => return Err(UNFINISHED.to_owned()),
            Ok(_) => {}
            Err(err) => return Err(err.message().unwrap_or("incorrect data check").to_owned()),
        }
    }
}

fn unpack_brotli(most: usize, data: &[u8], watch: &Watch) -> Result<Vec<u8>, String> {
    let mut unpacker = brotli_decompressor::Decompressor::new(data, PART);
    let mut out = Vec::new();
    loop {
        if watch.is_over() {
            return Err(INTERRUPTED.to_owned());
        }
        let part = unpacker.by_ref().take(PART as u64).read_to_end(&mut out);
        if out.len() > most {
            return Err(too_large(most));
        }
        match part {
            Ok(0) => return Ok(out),
            Ok(_) => {}
            Err(_) => return Err("Decompression failed".to_owned()),
        }
    }
}

fn too_large(most: usize) -> String {
    format!("Cannot create a Buffer larger than {most} bytes")
}
