//! Options of the sockets to the database, which its driver neither sets nor gives access to. They belong to the open
//! socket, not to its number, so they can be set by way of a copy of the descriptor.

use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use filedescriptor::FileDescriptor;
use socket2::{SockRef, TcpKeepalive};

/// Where a process finds its own descriptors.
const DESCRIPTORS: &str = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };

/// After so long without an acknowledgement the connection is given up: the peer is gone without a word, behind a
/// firewall or after a failover. Half of the time after which this instance would count as gone.
const TCP_TIMEOUT: Duration = Duration::from_secs(5);
/// A silent peer is asked after so long.
const KEEPALIVE_TIME: Duration = Duration::from_secs(5);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
const KEEPALIVE_RETRIES: u32 = 3;

/// Sets the options on all TCP sockets to this port that lack them. What cannot be set is left as it is.
pub(super) async fn tune(port: u16) {
    // There may be thousands of descriptors to look at.
    let tuned = tokio::task::spawn_blocking(move || tune_all(port)).await;
    if let Ok(Err(err)) = tuned {
        tracing::debug!(reason = %err, "the options of a socket to the database could not be set");
    }
}

fn tune_all(port: u16) -> io::Result<()> {
    for entry in fs::read_dir(DESCRIPTORS)? {
        let Ok(entry) = entry else { continue };
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()) else {
            continue;
        };
        let is_file = |target: std::path::PathBuf| !target.to_string_lossy().starts_with("socket:");
        if fs::read_link(entry.path()).is_ok_and(is_file) {
            continue;
        }
        // One that has been closed meanwhile is no longer there, and one that was made anew is looked at as it is.
        let Ok(copy) = FileDescriptor::dup(&number) else { continue };
        let socket = SockRef::from(&copy);
        if leads_to(&socket, port) && !socket.tcp_nodelay().unwrap_or(true) {
            tune_one(&socket)?;
        }
    }
    Ok(())
}

fn leads_to(socket: &SockRef<'_>, port: u16) -> bool {
    let peer = socket.peer_addr().ok().and_then(|peer| peer.as_socket());
    peer.is_some_and(|peer| peer.port() == port)
}

fn tune_one(socket: &SockRef<'_>) -> io::Result<()> {
    // Under TLS the driver writes each record by itself, and the small rest would wait for an acknowledgement.
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_TIME)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_RETRIES);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(TCP_TIMEOUT))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn sockets_to_the_port_are_tuned_and_no_others() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let other = TcpListener::bind("127.0.0.1:0").expect("another port");
        let address = listener.local_addr().expect("an address");
        let stream = TcpStream::connect(address).expect("connected");
        let untouched = TcpStream::connect(other.local_addr().expect("an address")).expect("connected");
        tune(address.port()).await;
        let socket = SockRef::from(&stream);
        assert!(socket.tcp_nodelay().expect("an option"));
        assert!(socket.keepalive().expect("an option"));
        assert_eq!(socket.tcp_keepalive_time().expect("an option"), KEEPALIVE_TIME);
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout().expect("an option"), Some(TCP_TIMEOUT));
        assert!(!SockRef::from(&untouched).tcp_nodelay().expect("an option"));
    }
}
