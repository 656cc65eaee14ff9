//! The key of the secrets that NocoBase keeps.

use std::path::PathBuf;

use super::apps::MAIN;
use super::reader::Reader;
use super::secret::Secret;

/// Where NocoBase keeps a key that it has made itself for an application.
fn default_files(app: &str) -> Vec<PathBuf> {
    ["apps", "environment-variables"]
        .map(|folder| PathBuf::from(format!("storage/{folder}/{app}/aes_key.dat")))
        .to_vec()
}

/// The key of the secrets behind `$env`.
#[derive(Clone, Debug)]
pub struct SecretKey {
    /// `APP_AES_SECRET_KEY`: 64 hexadecimal digits.
    pub hex: Option<Secret>,
    /// `APP_AES_SECRET_KEY_PATH`, else where NocoBase keeps the key it made: `storage/apps/main/aes_key.dat`
    /// and `storage/environment-variables/main/aes_key.dat`.
    pub files: Vec<PathBuf>,
}

impl SecretKey {
    /// The key of an application: the same where the settings name one, else where NocoBase keeps that application's.
    pub fn of_app(&self, name: &str) -> Self {
        let is_named = self.hex.is_some() || self.files != default_files(MAIN);
        if is_named { self.clone() } else { Self { hex: None, files: default_files(name) } }
    }

    pub(super) fn read(reader: &mut Reader) -> Self {
        let hex = reader.text("APP_AES_SECRET_KEY").map(Secret::new);
        let is_key = |hex: &Secret| hex::decode(hex.reveal().trim()).is_ok_and(|key| key.len() == 32);
        if hex.as_ref().is_some_and(|hex| !is_key(hex)) {
            reader.warn("APP_AES_SECRET_KEY is not 64 hexadecimal digits: secrets of $env cannot be read");
        }
        let files = match reader.text("APP_AES_SECRET_KEY_PATH") {
            Some(path) => {
                let path = PathBuf::from(path);
                if hex.is_none() && !path.exists() {
                    reader.warn(format!(
                        "APP_AES_SECRET_KEY_PATH names {}, which does not exist: secrets of $env cannot be read",
                        path.display()
                    ));
                }
                vec![path]
            }
            None => default_files(MAIN),
        };
        Self { hex, files }
    }
}
