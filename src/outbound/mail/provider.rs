//! Where mail is sent to first, as a node names it.

/// A mail server, and who signs in there.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Provider {
    pub host: String,
    pub port: u16,
    /// TLS from the beginning. Otherwise it is taken when the server offers it.
    pub is_secure: bool,
    pub login: Option<Login>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Login {
    pub user: String,
    pub password: String,
}
