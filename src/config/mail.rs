//! The settings of mail: which servers it may be sent to, and how long that may take.

use std::time::Duration;

use super::reader::Reader;
use super::requests::is_host_or_range;

#[derive(Clone, Debug)]
pub struct Mail {
    /// `SIDEHOOK_MAIL_SERVERS`: the only servers to send mail to, between commas: hosts as in
    /// `SERVER_REQUEST_WHITELIST`, each with a port behind a colon or for all ports. Empty for all.
    pub servers: Vec<(String, Option<u16>)>,
    /// `SIDEHOOK_MAIL_TIME_LIMIT`: how long a mail may take in all, until the server has said what becomes of it.
    pub time_limit: Duration,
    /// `SIDEHOOK_MAIL_SIZE_LIMIT`: the longest message in bytes, with its attachments as they are sent.
    pub size_limit: usize,
}

impl Mail {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            servers: servers(reader),
            time_limit: reader.duration("SIDEHOOK_MAIL_TIME_LIMIT", Duration::from_secs(600)),
            size_limit: reader.size("SIDEHOOK_MAIL_SIZE_LIMIT", 35 << 20),
        }
    }
}

/// An entry that no server can have is a fault: it would open nothing, or not what was meant.
fn servers(reader: &mut Reader) -> Vec<(String, Option<u16>)> {
    const NAME: &str = "SIDEHOOK_MAIL_SERVERS";
    let text = reader.text(NAME).unwrap_or_default();
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let (good, wrong): (Vec<_>, Vec<_>) =
        entries.map(|entry| server(entry).ok_or(entry)).partition(Result::is_ok);
    let wrong: Vec<String> =
        wrong.into_iter().filter_map(Result::err).map(|entry| format!("{entry:?}")).collect();
    if !wrong.is_empty() {
        reader.fault_text(format!(
            "{NAME} must have addresses, ranges like 10.0.0.0/8, names, and *. with a name, each with a port behind a \
             colon or without: {} is none of them",
            wrong.join(", ")
        ));
    }
    good.into_iter().flatten().collect()
}

/// The host and the port of an entry; an address of IPv6 with a port stands in brackets.
fn server(entry: &str) -> Option<(String, Option<u16>)> {
    let port = |text: &str| text.parse().ok().filter(|port| *port != 0);
    let (host, port) = match entry.strip_prefix('[') {
        Some(rest) => match rest.split_once(']')? {
            (host, "") => (host, None),
            (host, rest) => (host, Some(port(rest.strip_prefix(':')?)?)),
        },
        None => match entry.split_once(':') {
            // Two colons are an address of IPv6.
            Some((host, rest)) if !rest.contains(':') => (host, Some(port(rest)?)),
            _ => (entry, None),
        },
    };
    is_host_or_range(host).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_hosts_with_ports_or_without() {
        let cases = [
            ("smtp.example.com:587", ("smtp.example.com", Some(587))),
            ("*.trusted.com", ("*.trusted.com", None)),
            ("10.0.0.0/8:25", ("10.0.0.0/8", Some(25))),
            ("[::1]:2525", ("::1", Some(2525))),
            ("[::1]", ("::1", None)),
            ("fd00::/8", ("fd00::/8", None)),
        ];
        for (entry, (host, port)) in cases {
            assert_eq!(server(entry), Some((host.to_owned(), port)), "{entry}");
        }
        for entry in ["smtp://a.b", "a.b:0", "a.b:x", ":25", "[::1", "[::1]25", "a b", "10.0.0.0/33"] {
            assert_eq!(server(entry), None, "{entry}");
        }
    }
}
