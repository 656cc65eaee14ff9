//! The key of the secrets that NocoBase keeps.

use std::path::PathBuf;

use super::reader::Reader;
use super::secret::Secret;

/// Where NocoBase keeps a key that it has made itself.
const KEY_FILES: [&str; 2] =
    ["storage/apps/main/aes_key.dat", "storage/environment-variables/main/aes_key.dat"];

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
            None => KEY_FILES.iter().map(PathBuf::from).collect(),
        };
        Self { hex, files }
    }
}
