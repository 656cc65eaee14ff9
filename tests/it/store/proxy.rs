//! A TCP proxy before a database server. It holds everything back for a while, as a server that is stopped does, or
//! lets the connections that there are fall silent, as a firewall does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::databases::TestDatabase;

pub struct Proxy {
    pub port: u16,
    flow: watch::Sender<Flow>,
    accepted: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Copy, Default)]
struct Flow {
    is_held: bool,
    /// Connections with a smaller number say nothing any more.
    silent_before: u64,
}

impl Proxy {
    pub async fn before(database: &TestDatabase) -> Self {
        let env = database.env();
        let port = env.iter().find(|(name, _)| name == "DB_PORT").expect("a server").1.clone();
        let target: u16 = port.parse().expect("a port");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let (flow, watched) = watch::channel(Flow::default());
        let accepted = Arc::new(AtomicU64::new(0));
        let counted = accepted.clone();
        let accepting = tokio::spawn(async move {
            let mut passing = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.expect("a connection");
                let number = counted.fetch_add(1, Ordering::SeqCst);
                let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else { continue };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                passing.spawn(pass(from_client, to_server, watched.clone(), number));
                passing.spawn(pass(from_server, to_client, watched.clone(), number));
            }
        });
        Self { port, flow, accepted, accepting }
    }

    /// Holds everything back until it is released.
    pub fn hold(&self) {
        self.flow.send_modify(|flow| flow.is_held = true);
    }

    pub fn release(&self) {
        self.flow.send_modify(|flow| flow.is_held = false);
    }

    /// Lets the connections that there are fall silent for good; new ones work.
    pub fn silence(&self) {
        self.flow.send_modify(|flow| flow.silent_before = self.accepted.load(Ordering::SeqCst));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut flow: watch::Receiver<Flow>, number: u64) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let length = from.read(&mut buffer).await.unwrap_or(0);
        if flow.wait_for(|flow| !flow.is_held && number >= flow.silent_before).await.is_err() {
            return;
        }
        if length == 0 || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
