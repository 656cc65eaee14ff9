//! Digests and codes of `crypto`.

use hmac::{Hmac, KeyInit, Mac};
use rquickjs::{Ctx, Function, Object};
use sha2::Digest;
use subtle::ConstantTimeEq;

use super::{Bytes, or_throw};

/// An expression with `$hash` for the type of the hash with this name.
macro_rules! with_hash {
    ($name:expr, $hash:ident => $body:expr) => {
        match $name {
            "md5" => {
                type $hash = ::md5::Md5;
                Some($body)
            }
            "sha1" => {
                type $hash = ::sha1::Sha1;
                Some($body)
            }
            "sha224" => {
                type $hash = ::sha2::Sha224;
                Some($body)
            }
            "sha256" => {
                type $hash = ::sha2::Sha256;
                Some($body)
            }
            "sha384" => {
                type $hash = ::sha2::Sha384;
                Some($body)
            }
            "sha512" => {
                type $hash = ::sha2::Sha512;
                Some($body)
            }
            "sha512-224" => {
                type $hash = ::sha2::Sha512_224;
                Some($body)
            }
            "sha512-256" => {
                type $hash = ::sha2::Sha512_256;
                Some($body)
            }
            _ => None,
        }
    };
}
pub(super) use with_hash;

pub(super) fn add<'js>(ctx: &Ctx<'js>, native: &Object<'js>) -> rquickjs::Result<()> {
    native.set(
        "digest",
        Function::new(ctx.clone(), |ctx: Ctx<'js>, name: String, data: Bytes| {
            or_throw(&ctx, digest(&name, &data.0).ok_or("Digest method not supported")).map(Bytes)
        })?,
    )?;
    native.set(
        "hmac",
        Function::new(ctx.clone(), |ctx: Ctx<'js>, name: String, key: Bytes, data: Bytes| {
            let code = code(&name, &key.0, &data.0);
            or_throw(&ctx, code.ok_or_else(|| format!("Invalid digest: {name}"))).map(Bytes)
        })?,
    )?;
    native.set(
        "random",
        Function::new(ctx.clone(), |ctx: Ctx<'js>, length: usize| {
            let mut bytes = vec![0; length.min(super::LARGEST)];
            let filled = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes);
            or_throw(&ctx, filled.map_err(|_| "there are no random numbers")).map(|()| Bytes(bytes))
        })?,
    )?;
    native.set(
        "equal",
        Function::new(ctx.clone(), |one: Bytes, other: Bytes| bool::from(one.0.ct_eq(&other.0)))?,
    )
}

fn digest(name: &str, data: &[u8]) -> Option<Vec<u8>> {
    with_hash!(name, Hash => Hash::digest(data).to_vec())
}

fn code(name: &str, key: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    with_hash!(name, Hash => {
        let mut mac = Hmac::<Hash>::new_from_slice(key).ok()?;
        mac.update(data);
        mac.finalize().into_bytes().to_vec()
    })
}
