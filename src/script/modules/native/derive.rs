//! Keys from passwords, for `crypto`. What a call may cost is bounded well below what a script's time is.

use pbkdf2::pbkdf2_hmac;
use rquickjs::{Ctx, Function, Object};

use super::hash::with_hash;
use super::{Bytes, or_throw};

/// Rounds of PBKDF2, times the parts of the key that need them each.
const ROUNDS: u64 = 2_000_000;
/// Memory of scrypt, in bytes.
const MEMORY: u64 = 64 << 20;
/// `N * r * p` of scrypt; with Node.js's own values it is 131,072.
const COST: u64 = 2 << 20;
const LONGEST_KEY: usize = 1 << 20;

pub(super) fn add<'js>(ctx: &Ctx<'js>, native: &Object<'js>) -> rquickjs::Result<()> {
    native.set(
        "pbkdf2",
        Function::new(
            ctx.clone(),
            |ctx: Ctx<'js>, name: String, password: Bytes, salt: Bytes, rounds: u32, length: usize| {
                or_throw(&ctx, pbkdf2(&name, &password.0, &salt.0, rounds, length)).map(Bytes)
            },
        )?,
    )?;
    native.set(
        "scrypt",
        Function::new(
            ctx.clone(),
            |ctx: Ctx<'js>, password: Bytes, salt: Bytes, length: usize, cost: Vec<u32>| {
                or_throw(&ctx, scrypt(&password.0, &salt.0, length, &cost)).map(Bytes)
            },
        )?,
    )
}

fn pbkdf2(name: &str, password: &[u8], salt: &[u8], rounds: u32, length: usize) -> Result<Vec<u8>, String> {
    let size = with_hash!(name, Hash => <Hash as sha2::Digest>::output_size());
    let size = size.ok_or_else(|| format!("Invalid digest: {name}"))?;
    let work = u64::from(rounds).saturating_mul(length.div_ceil(size).max(1) as u64);
    if work > ROUNDS || length > LONGEST_KEY {
        return Err(format!(
            "pbkdf2 may take {ROUNDS} rounds for each part of a key of the hash's size in all"
        ));
    }
    let mut key = vec![0; length];
    with_hash!(name, Hash => pbkdf2_hmac::<Hash>(password, salt, rounds, &mut key));
    Ok(key)
}

/// `cost` is N, r, p and `maxmem`.
fn scrypt(password: &[u8], salt: &[u8], length: usize, cost: &[u32]) -> Result<Vec<u8>, String> {
    let wrong = || "Invalid scrypt params".to_owned();
    let [n, r, p, most] = *cost else { return Err(wrong()) };
    let (n, most) = (u64::from(n), u64::from(most));
    if !n.is_power_of_two() || n < 2 || r == 0 || p == 0 {
        return Err(wrong());
    }
    let memory = n.saturating_mul(u64::from(r)).saturating_mul(128);
    if memory > most {
        return Err("Invalid scrypt params: memory limit exceeded".to_owned());
    }
    let cost = n.saturating_mul(u64::from(r)).saturating_mul(u64::from(p));
    if memory > MEMORY || cost > COST || length > LONGEST_KEY {
        return Err(format!("scrypt may take {} MiB and N * r * p of {COST} here", MEMORY >> 20));
    }
    let exponent = u8::try_from(n.trailing_zeros()).map_err(|_| wrong())?;
    let params = scrypt::Params::new(exponent, r, p).map_err(|_| wrong())?;
    let mut key = vec![0; length];
    scrypt::scrypt(password, salt, &params, &mut key).map_err(|_| wrong())?;
    Ok(key)
}
