//! The hash of `password` fields, which NocoBase's sign-in verifies (`password-field.ts`).

use indexmap::IndexSet;
use rand::RngCore;
use scrypt::{Params, scrypt};

use super::super::field::{Field, FieldType};
use super::instance::Instance;
use crate::expr::convert::to_text;
use crate::expr::{Str, Thrown};

/// Hashes the passwords among the attributes that a statement changes past the listeners of fields. An empty one is
/// taken out: the column keeps what it has.
pub(super) async fn hash_given(record: &mut Instance, names: &mut IndexSet<Str>) -> Result<(), Thrown> {
    let collection = record.collection.clone();
    for field in collection.fields().filter(|field| field.kind == FieldType::Password) {
        let value = record.raw(&field.name);
        if value.is_nullish() || value.as_str() == Some("") {
            names.shift_remove(&field.name);
        } else if names.contains(&field.name) {
            let hash = hash(&to_text(&value)?, field).await?;
            record.set_raw(&field.name, hash.into());
        }
    }
    Ok(())
}

/// scrypt with the parameters of Node.js, its salt in front: 64 hexadecimal digits, unless the field says otherwise.
pub(super) async fn hash(password: &str, field: &Field) -> Result<String, Thrown> {
    let number = |name: &str, default: usize| match field.option(name).as_number() {
        Some(number) if (1.0..=1024.0).contains(&number) => number as usize,
        _ => default,
    };
    let (length, salt_size) = (number("length", 64), number("randomBytesSize", 8));
    let mut salt = vec![0; salt_size];
    rand::rng().fill_bytes(&mut salt);
    let salt = hex::encode(salt);
    let key_size = (length / 2).checked_sub(salt_size).filter(|size| *size >= 1);
    let key_size = key_size
        .ok_or_else(|| Thrown::range_error(format!("the field {} has no room for a hash", field.name)))?;
    let password = password.to_owned();
    // A tenth of a second of work, which must not hold up other executions.
    let hashing = tokio::task::spawn_blocking(move || {
        let mut key = vec![0; key_size];
        let params = Params::new(14, 8, 1).map_err(|err| err.to_string())?;
        scrypt(password.as_bytes(), salt.as_bytes(), &params, &mut key).map_err(|err| err.to_string())?;
        Ok::<_, String>(salt + &hex::encode(key))
    });
    hashing.await.map_err(|err| Thrown::error(err.to_string()))?.map_err(Thrown::error)
}
