//! Compressed bodies: the first byte says which codings were applied. What comes out stays within its limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidehook::webhook::body::coding::{Bounds, Coding, unpack};
use sidehook::webhook::memory::Memory;

const CODINGS: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];
const LIMIT: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let Some((which, packed)) = bytes.split_first() else { return };
    let first = CODINGS[usize::from(which & 3)];
    let codings = if which & 4 == 0 { vec![first] } else { vec![CODINGS[usize::from(which >> 3 & 3)], first] };
    let memory = Memory::new(256 << 20);
    let bounds = Bounds { limit: LIMIT, share: &memory.share(), is_late: &|| false };
    if let Ok(unpacked) = unpack(&codings, packed, &bounds) {
        assert!(unpacked.len() <= LIMIT.max(packed.len()));
        assert!(memory.used() <= 2 * LIMIT);
    }
});
