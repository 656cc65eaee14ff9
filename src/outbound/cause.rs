//! What went wrong with a connection, or with the HTTP on it, in the words of Node.js.

use std::error::Error;
use std::io;

use super::failure::Failure;

/// The name that Node.js has for an error of a socket.
pub(super) fn code(kind: io::ErrorKind) -> Option<&'static str> {
    Some(match kind {
        io::ErrorKind::ConnectionRefused => "ECONNREFUSED",
        io::ErrorKind::ConnectionReset => "ECONNRESET",
        io::ErrorKind::ConnectionAborted => "ECONNABORTED",
        io::ErrorKind::TimedOut => "ETIMEDOUT",
        io::ErrorKind::HostUnreachable => "EHOSTUNREACH",
        io::ErrorKind::NetworkUnreachable => "ENETUNREACH",
        io::ErrorKind::AddrNotAvailable => "EADDRNOTAVAIL",
        io::ErrorKind::PermissionDenied => "EACCES",
        io::ErrorKind::InvalidInput => "EINVAL",
        io::ErrorKind::BrokenPipe => "EPIPE",
        _ => return None,
    })
}

/// What went wrong below HTTP, or with it; none when the connection was just closed.
pub(super) fn broken(err: &(dyn Error + 'static)) -> Option<Failure> {
    let mut source = Some(err);
    while let Some(cause) = source {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return Some(failure.clone());
        }
        if let Some(cause) = cause.downcast_ref::<hyper::Error>()
            && cause.is_parse()
        {
            return Some(unparsed(cause));
        }
        if let Some(cause) = cause.downcast_ref::<io::Error>() {
            return reading(cause);
        }
        source = cause.source();
    }
    None
}

/// As the parser of Node.js words it.
fn unparsed(err: &hyper::Error) -> Failure {
    if err.to_string().contains("header") {
        return Failure::coded("HPE_INVALID_HEADER_TOKEN", "Parse Error: Invalid header token");
    }
    Failure::coded("HPE_INVALID_CONSTANT", "Parse Error: Expected HTTP/, RTSP/ or ICE/")
}

fn reading(err: &io::Error) -> Option<Failure> {
    match err.kind() {
        io::ErrorKind::UnexpectedEof => None,
        // Only chunks are parsed where this comes from.
        io::ErrorKind::InvalidInput => {
            Some(Failure::coded("HPE_INVALID_CHUNK_SIZE", "Parse Error: Invalid character in chunk size"))
        }
        kind => {
            let code = code(kind)?;
            let call = if code == "EPIPE" { "write" } else { "read" };
            Some(Failure::coded(code, format!("{call} {code}")))
        }
    }
}
