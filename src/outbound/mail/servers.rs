//! Which mail servers may be reached, by host and port.

use url::Host;

use crate::outbound::guard::{Guard, Policy};

/// `SIDEHOOK_MAIL_SERVERS`: hosts as in `SERVER_REQUEST_WHITELIST`, each with its port, or without one for all ports.
/// Empty for all servers.
#[derive(Clone, Debug, Default)]
pub struct Servers(pub Vec<(String, Option<u16>)>);

impl Servers {
    /// An error that says what to do, for a server that is not listed.
    pub fn check(&self, host: &str, port: u16) -> Result<(), String> {
        if self.0.is_empty() || self.list(host, port) {
            return Ok(());
        }
        Err(format!(
            "Mail to \"{host}\" at port {port} is blocked. Add it to SIDEHOOK_MAIL_SERVERS to allow this server."
        ))
    }

    fn list(&self, host: &str, port: u16) -> bool {
        let is_meant = |(_, only): &&(String, Option<u16>)| only.is_none_or(|only| only == port);
        let hosts: Vec<&str> = self.0.iter().filter(is_meant).map(|(host, _)| host.as_str()).collect();
        let guard = Guard::new(&Policy { whitelist: hosts.join(","), ..Policy::default() });
        let bracketed = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        match Host::parse(&bracketed) {
            Ok(Host::Domain(name)) => guard.lists(&Host::Domain(name.as_str())),
            Ok(Host::Ipv4(address)) => guard.lists(&Host::Ipv4(address)),
            Ok(Host::Ipv6(address)) => guard.lists(&Host::Ipv6(address)),
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_listed_by_host_and_port() {
        let servers = [
            ("smtp.example.com", Some(587)),
            ("*.trusted.com", None),
            ("10.0.0.0/8", Some(25)),
            ("::1", Some(2525)),
        ];
        let servers = Servers(servers.map(|(host, port)| (host.to_owned(), port)).to_vec());
        for (host, port) in [
            ("SMTP.example.com", 587),
            ("mx.trusted.com", 1),
            ("10.1.2.3", 25),
            ("167772161", 25),
            ("::1", 2525),
        ] {
            assert_eq!(servers.check(host, port), Ok(()), "{host}:{port}");
        }
        for (host, port) in
            [("smtp.example.com", 25), ("trusted.com", 25), ("10.1.2.3", 587), ("::1", 25), ("a b", 25)]
        {
            let reason = servers.check(host, port).expect_err(host);
            assert!(reason.contains("SIDEHOOK_MAIL_SERVERS"), "{reason}");
        }
        assert_eq!(Servers::default().check("anything", 1), Ok(()));
    }
}
