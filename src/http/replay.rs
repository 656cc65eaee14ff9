//! A recorded request that is handled once more, and what it is answered.

use std::net::IpAddr;

/// What is known of a recorded request beside itself. No request that comes over a connection has it.
#[derive(Clone, Debug)]
pub struct Replay {
    /// By what its event is known, where it is not to be run twice.
    pub delivery_id: Option<String>,
    /// Who had called.
    pub peer: Option<IpAddr>,
}

/// A recorded request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    pub method: String,
    /// With the query, still encoded.
    pub target: String,
    /// Values are ISO 8859-1.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub status: u16,
    /// The execution of an earlier delivery.
    pub duplicate_of: Option<String>,
    /// The beginning of the body.
    pub text: String,
}
