//! Accepts TCP connections without Nagle's algorithm, which would hold small answers back for up to 40 ms.
//! poem 3.1 does not set `TCP_NODELAY` itself.

use std::io::Result;

use poem::http::uri::Scheme;
use poem::listener::{Acceptor, TcpAcceptor};
use poem::web::{LocalAddr, RemoteAddr};
use tokio::net::{TcpListener, TcpStream};

pub struct NoDelay(TcpAcceptor);

impl NoDelay {
    pub fn new(listener: TcpListener) -> Result<Self> {
        TcpAcceptor::from_tokio(listener).map(Self)
    }
}

impl Acceptor for NoDelay {
    type Io = TcpStream;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.0.local_addr()
    }

    async fn accept(&mut self) -> Result<(TcpStream, LocalAddr, RemoteAddr, Scheme)> {
        let connection = self.0.accept().await?;
        // A connection that is gone already fails here, and soon enough elsewhere.
        let _ = connection.0.set_nodelay(true);
        Ok(connection)
    }
}
