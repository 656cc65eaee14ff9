//! AES of `crypto`: whole blocks in a chain, a stream from some place on, and messages with a tag. What is kept
//! between the parts of a message is kept in `js/modules/cipher.js`.

use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::{Aead, Payload};
use aes_gcm::aes::cipher::consts::{U12, U16};
use aes_gcm::{AesGcm, KeyInit};
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit, StreamCipher, StreamCipherSeek};
use rquickjs::{Ctx, Function, Object};

use super::{Bytes, or_throw};

const WRONG: &str = "Invalid key or initialization vector";

/// An expression with `$aes` for the type of AES that a key of this length is for.
macro_rules! with_aes {
    ($key:expr, $aes:ident => $body:expr) => {
        match $key.len() {
            16 => {
                type $aes = Aes128;
                $body
            }
            24 => {
                type $aes = Aes192;
                $body
            }
            32 => {
                type $aes = Aes256;
                $body
            }
            _ => None,
        }
    };
}

pub(super) fn add<'js>(ctx: &Ctx<'js>, native: &Object<'js>) -> rquickjs::Result<()> {
    native.set(
        "cbc",
        Function::new(ctx.clone(), |ctx: Ctx<'js>, encrypts: bool, key: Bytes, iv: Bytes, blocks: Bytes| {
            or_throw(&ctx, cbc(encrypts, &key.0, &iv.0, &blocks.0).ok_or(WRONG)).map(Bytes)
        })?,
    )?;
    native.set(
        "ctr",
        Function::new(ctx.clone(), |ctx: Ctx<'js>, key: Bytes, iv: Bytes, from: u64, data: Bytes| {
            or_throw(&ctx, ctr(&key.0, &iv.0, from, data.0).ok_or(WRONG)).map(Bytes)
        })?,
    )?;
    native.set(
        "gcm",
        Function::new(ctx.clone(), |ctx: Ctx<'js>, key: Bytes, iv: Bytes, about: Bytes, data: Bytes| {
            or_throw(&ctx, gcm(&key.0, &iv.0, &about.0, &data.0).ok_or(WRONG)).map(Bytes)
        })?,
    )
}

fn cbc(encrypts: bool, key: &[u8], iv: &[u8], blocks: &[u8]) -> Option<Vec<u8>> {
    with_aes!(key, Aes => if encrypts {
        let cipher = cbc::Encryptor::<Aes>::new_from_slices(key, iv).ok()?;
        Some(cipher.encrypt_padded_vec_mut::<NoPadding>(blocks))
    } else {
        let cipher = cbc::Decryptor::<Aes>::new_from_slices(key, iv).ok()?;
        cipher.decrypt_padded_vec_mut::<NoPadding>(blocks).ok()
    })
}

fn ctr(key: &[u8], iv: &[u8], from: u64, mut data: Vec<u8>) -> Option<Vec<u8>> {
    with_aes!(key, Aes => {
        let mut cipher = ctr::Ctr128BE::<Aes>::new_from_slices(key, iv).ok()?;
        cipher.try_seek(from).ok()?;
        cipher.try_apply_keystream(&mut data).ok()?;
        Some(data)
    })
}

/// The encrypted message with its tag of 16 bytes.
fn gcm(key: &[u8], iv: &[u8], about: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let message = Payload { msg: data, aad: about };
    with_aes!(key, Aes => match iv.len() {
        12 => AesGcm::<Aes, U12>::new_from_slice(key).ok()?.encrypt(iv.into(), message).ok(),
        16 => AesGcm::<Aes, U16>::new_from_slice(key).ok()?.encrypt(iv.into(), message).ok(),
        _ => None,
    })
}
