//! Why a mail was not taken, with the codes and texts of nodemailer.

use std::io;
use std::net::SocketAddr;

use crate::outbound::cause;
use crate::outbound::connect::{self, Unreached};
use crate::outbound::failure::Failure;

/// A mail that no server has taken.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Undelivered {
    pub message: String,
    /// nodemailer's: `ESOCKET`, `EAUTH`, `EENVELOPE` and others; none where it has none.
    pub code: Option<&'static str>,
    /// What was said last, such as `RCPT TO`; `CONN` for the connection, `API` for what was not even said.
    pub command: Option<&'static str>,
    /// The reply of the server, lines ending with LF.
    pub reply: Option<String>,
    /// What the system said of the connection.
    pub socket: Option<Box<SocketError>>,
    /// The recipients, where all were refused.
    pub refused: Vec<Refusal>,
}

/// A recipient that the server did not take.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub recipient: String,
    pub reply: String,
}

/// An error of the system, as Node.js tells it.
#[derive(Clone, Debug)]
pub enum SocketError {
    /// An address did not answer.
    Connect { errno: Option<i32>, address: SocketAddr },
    /// A host has no address.
    Lookup { errno: i32, host: String },
    /// A connection broke.
    Broken { errno: Option<i32>, call: &'static str },
}

impl Undelivered {
    fn new(code: &'static str, command: &'static str, message: impl Into<String>) -> Self {
        let (message, code, command) = (message.into(), Some(code), Some(command));
        Self { message, code, command, reply: None, socket: None, refused: Vec::new() }
    }

    /// An error without a code.
    pub fn plain(message: impl Into<String>) -> Self {
        let message = message.into();
        Self { message, code: None, command: None, reply: None, socket: None, refused: Vec::new() }
    }

    /// Nothing was said: the mail or the login is not complete.
    pub fn unsaid(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, "API", message)
    }

    /// A server that sidehook does not go to.
    pub fn refused(reason: String) -> Self {
        Self::new("ECONNECTION", "CONN", reason)
    }

    pub fn timed_out(message: &str) -> Self {
        Self::new("ETIMEDOUT", "CONN", message)
    }

    /// The server has closed the connection in the middle.
    pub fn closed() -> Self {
        Self::new("ECONNECTION", "CONN", "Connection closed unexpectedly")
    }

    /// TLS could not be agreed on.
    pub fn insecure(err: &io::Error, host: &str) -> Self {
        Self::new("ESOCKET", "CONN", connect::insecure(err, host).message)
    }

    /// TLS could not even be tried.
    pub fn untried(message: &str) -> Self {
        Self::new("ETLS", "STARTTLS", message)
    }

    /// What the server said to a command is no yes.
    pub fn said(code: &'static str, command: &'static str, message: &str, reply: String) -> Self {
        let message = format!("{message}: {reply}");
        Self { reply: Some(reply), ..Self::new(code, command, message) }
    }

    pub fn unreached(unreached: Unreached) -> Self {
        let socket = match &unreached {
            Unreached::Refused(_) => None,
            // Numbers that Node.js has for what `getaddrinfo` says.
            Unreached::Unresolved { code, host } => {
                let errno = if *code == "EAI_AGAIN" { -3001 } else { -3008 };
                Some(SocketError::Lookup { errno, host: host.clone() })
            }
            Unreached::Unconnected(failures) => failures
                .first()
                .map(|(address, err)| SocketError::Connect { errno: err.raw_os_error(), address: *address }),
        };
        let code = if matches!(unreached, Unreached::Unresolved { .. }) { "EDNS" } else { "ESOCKET" };
        let failure = Failure::from(unreached);
        Self { socket: socket.map(Box::new), ..Self::new(code, "CONN", failure.message) }
    }

    /// A connection that broke while `call`, `read` or `write`.
    pub fn broken(err: &io::Error, call: &'static str) -> Self {
        if err.kind() == io::ErrorKind::UnexpectedEof {
            return Self::closed();
        }
        let reason = cause::code(err.kind()).map_or_else(|| err.to_string(), str::to_owned);
        let socket = Box::new(SocketError::Broken { errno: err.raw_os_error(), call });
        Self { socket: Some(socket), ..Self::new("ESOCKET", "CONN", format!("{call} {reason}")) }
    }
}
