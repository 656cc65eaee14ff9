//! `environmentVariables`: the variables and secrets behind `$env`.

use std::path::PathBuf;

use aes::cipher::{BlockDecryptMut, KeyIvInit, block_padding::Pkcs7};
use entity::{Table, environment_variable};
use sea_orm::sea_query::Query;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};

use super::Store;
use super::fault::Fault;

/// Where the key of NocoBase's secrets comes from (`packages/core/server/src/aes-encryptor.ts`).
#[derive(Clone, Default)]
pub struct SecretKey {
    /// `APP_AES_SECRET_KEY`: 64 hexadecimal digits.
    pub hex: Option<String>,
    /// `APP_AES_SECRET_KEY_PATH` and the places where NocoBase keeps a key that it made itself: 32 bytes
    /// each. The first file that exists counts.
    pub files: Vec<PathBuf>,
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub enum SecretError {
    #[error("no key: set APP_AES_SECRET_KEY or APP_AES_SECRET_KEY_PATH as NocoBase has it")]
    NoKey,
    #[error("the key must be 32 bytes: 64 hexadecimal digits, or a file of 32 bytes")]
    BadKey,
    #[error("the stored value was not written with this key")]
    BadValue,
}

impl SecretKey {
    fn bytes(&self) -> Result<[u8; 32], SecretError> {
        let bytes = match &self.hex {
            Some(hex) => hex::decode(hex.trim()).map_err(|_| SecretError::BadKey)?,
            None => {
                let found = self.files.iter().find_map(|file| std::fs::read(file).ok());
                found.ok_or(SecretError::NoKey)?
            }
        };
        bytes.try_into().map_err(|_| SecretError::BadKey)
    }

    /// The text of a secret: stored is hex(IV of 16 bytes) followed by hex(AES-256-CBC, PKCS7).
    pub fn decrypt(&self, stored: &str) -> Result<String, SecretError> {
        let key = self.bytes()?;
        let bytes = hex::decode(stored).map_err(|_| SecretError::BadValue)?;
        let (iv, sealed) = bytes.split_at_checked(16).ok_or(SecretError::BadValue)?;
        let iv: [u8; 16] = iv.try_into().map_err(|_| SecretError::BadValue)?;
        let plain = cbc::Decryptor::<aes::Aes256>::new(&key.into(), &iv.into())
            .decrypt_padded_vec_mut::<Pkcs7>(sealed)
            .map_err(|_| SecretError::BadValue)?;
        String::from_utf8(plain).map_err(|_| SecretError::BadValue)
    }
}

impl Store {
    /// All variables as rows, by name. Empty where the plugin's table does not exist.
    pub async fn environment_rows(&self) -> Result<Vec<environment_variable::Model>, DbErr> {
        let mut select = Query::select();
        self.select(&mut select, &["name", "type", "value"]);
        select
            .from(self.table(Table::EnvironmentVariables))
            .order_by(self.column("name"), sea_orm::Order::Asc);
        let rows = match self.db.query_all(&select).await {
            Err(err) if Fault::of(&err) == Fault::MissingTable => return Ok(Vec::new()),
            rows => rows?,
        };
        rows.iter().map(|row| environment_variable::Model::from_query_result(row, "")).collect()
    }
}

/// Names and texts of all variables. A secret that cannot be decrypted is left out, with a warning.
pub fn variables(rows: &[environment_variable::Model], key: &SecretKey) -> Vec<(String, String)> {
    let readable = rows.iter().filter_map(|row| {
        let stored = row.value.clone().unwrap_or_default();
        if row.r#type.as_deref() != Some("secret") {
            return Some((row.name.clone(), stored));
        }
        let text = key.decrypt(&stored);
        if let Err(err) = &text {
            tracing::warn!(variable.name = row.name, reason = %err, "$env leaves out a secret that cannot be read");
        }
        Some((row.name.clone(), text.ok()?))
    });
    readable.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by NocoBase's layout with OpenSSL: key and IV of counting bytes, the text `s3cret`.
    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn sealed(text: &[u8]) -> String {
        use aes::cipher::BlockEncryptMut;
        let key: [u8; 32] = hex::decode(KEY).expect("hex").try_into().expect("32 bytes");
        let iv = [7_u8; 16];
        let sealed =
            cbc::Encryptor::<aes::Aes256>::new(&key.into(), &iv.into()).encrypt_padded_vec_mut::<Pkcs7>(text);
        hex::encode(iv) + &hex::encode(sealed)
    }

    #[test]
    fn secrets_open_with_the_right_key_only() {
        let key = SecretKey { hex: Some(KEY.to_owned()), files: Vec::new() };
        assert_eq!(key.decrypt(&sealed(b"s3cret")), Ok("s3cret".to_owned()));
        let other = SecretKey { hex: Some("ff".repeat(32)), files: Vec::new() };
        assert!(other.decrypt(&sealed(b"s3cret")).is_err());
        assert_eq!(SecretKey::default().decrypt(&sealed(b"x")), Err(SecretError::NoKey));
        assert_eq!(key.decrypt("zz"), Err(SecretError::BadValue));
        assert_eq!(key.decrypt("00"), Err(SecretError::BadValue));
    }

    #[test]
    fn a_secret_that_does_not_open_is_left_out() {
        let row = |name: &str, kind: &str, value: &str| environment_variable::Model {
            name: name.into(),
            r#type: Some(kind.into()),
            value: Some(value.into()),
        };
        let rows = [row("A", "default", "plain"), row("B", "secret", "00")];
        assert_eq!(variables(&rows, &SecretKey::default()), [("A".to_owned(), "plain".to_owned())]);
    }
}
