//! Who may ask how sidehook is doing, and have it do things: NocoBase's plugin, and people who watch.

use super::reader::Reader;
use super::secret::Secret;

/// The shortest token, in characters.
const SHORTEST: usize = 16;

#[derive(Clone, Debug)]
pub struct Management {
    /// `SIDEHOOK_STATUS_TOKEN`: what has to be said for `GET /health/status`, a replay and listening; nobody may where
    /// it is not set.
    pub token: Option<Secret>,
}

impl Management {
    pub(super) fn read(reader: &mut Reader) -> Self {
        const NAME: &str = "SIDEHOOK_STATUS_TOKEN";
        let token = reader.secret(NAME);
        if token.as_ref().is_some_and(|token| token.reveal().chars().count() < SHORTEST) {
            reader.fault(
                NAME,
                "a random text of at least 16 characters, such as `openssl rand -hex 32` prints",
            );
        }
        Self { token }
    }
}
