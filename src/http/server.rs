//! Accepts connections, within a bound that leaves file descriptors for the database, and ends them in order.
//!
//! Connections are accepted on the control thread. One that begins by asking for the health of sidehook stays there,
//! so that it is answered however busy the other threads are; all others are handed to those.

use std::io::{ErrorKind, Result};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::addresses::{Addresses, Seat};
use super::manage::Manager;
use super::shared::Shared;
use super::{connection, routes};
use crate::apps::Apps;
use crate::config::Http;
use crate::control::Control;

/// How long nothing is accepted after that has failed: for want of file descriptors it fails at once again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// So many connections wait at most that nobody has accepted.
const LONGEST_QUEUE: usize = 4_096;

/// How long somebody who has connected before sidehook stops may take to begin a request.
const LAST_WORD: Duration = Duration::from_millis(500);

/// A listener, with the connections that it has accepted.
pub struct Server {
    shared: Arc<Shared>,
    slots: Arc<Semaphore>,
    /// Of the main threads, where requests are handled.
    main: Handle,
}

impl Server {
    /// Accepts connections from now on, at most `max_connections` at a time. Until [`Server::open`] they are told
    /// that sidehook starts.
    pub fn start(
        listener: TcpListener,
        settings: Http,
        max_connections: usize,
        control: &Control,
    ) -> Result<Self> {
        let addresses = Addresses::new(&settings.access, max_connections);
        let shared = Arc::new(Shared::new(settings, routes::closed()));
        let slots = Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS)));
        let server = Self { shared, slots, main: Handle::current() };
        let (shared, slots, main) = (server.shared.clone(), server.slots.clone(), server.main.clone());
        // A socket belongs to the runtime that it is made in.
        let listener = listener.into_std()?;
        let accepting = async move {
            match TcpListener::from_std(listener) {
                Ok(listener) => {
                    let all = accept_all(&listener, &shared, (&slots, &addresses), &main);
                    shared.stopping.run_until_cancelled(all).await;
                    accept_rest(listener, &shared, (&slots, &addresses), &main);
                }
                Err(err) => tracing::error!(reason = %err, "nothing can be accepted"),
            }
        };
        server.shared.connections.spawn_on(accepting, control.handle());
        Ok(server)
    }

    /// Has requests handled by these applications.
    pub fn open(&self, apps: Arc<Apps>) {
        self.shared.open(routes::routes(apps, None));
    }

    /// The same, with the URLs for those who manage it.
    pub fn open_managed(&self, apps: Arc<Apps>, manager: Arc<dyn Manager>) {
        self.shared.open(routes::routes(apps, Some(manager)));
    }

    /// Has nothing but metrics told.
    pub fn open_for_metrics(&self, apps: Arc<Apps>) {
        self.shared.open(routes::of_metrics(apps));
    }

    /// Has senders leave: every answer closes its connection. New ones are still accepted.
    pub fn leave(&self) {
        self.shared.leave();
    }

    /// Accepts nothing more, and lets requests under way end within `grace`.
    pub async fn close(&self, grace: Duration) {
        self.leave();
        self.shared.stopping.cancel();
        self.shared.connections.close();
        if timeout(grace, self.shared.connections.wait()).await.is_err() {
            tracing::warn!(connections = self.shared.connections.len(), "requests are cut off");
        }
        self.shared.killed.cancel();
        self.shared.connections.wait().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopping.cancel();
        self.shared.killed.cancel();
    }
}

async fn accept_all(
    listener: &TcpListener,
    shared: &Arc<Shared>,
    (slots, addresses): (&Arc<Semaphore>, &Arc<Addresses>),
    main: &Handle,
) {
    let mut was_full = false;
    loop {
        if slots.available_permits() == 0 && !was_full {
            was_full = true;
            tracing::warn!(
                "all connections are in use; others wait. SIDEHOOK_MAX_CONNECTIONS is their number"
            );
        }
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((socket, from)) => {
                let Some(seat) = addresses.seat(from.ip()) else {
                    tracing::debug!(client.address = %from.ip(), "an address has too many connections");
                    continue;
                };
                let place = place(socket, shared.clone(), (slot, seat), main.clone());
                shared.connections.spawn(shared.killed.clone().run_until_cancelled_owned(place));
            }
            // The other side has gone already.
            Err(err) if matches!(err.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
            Err(err) => {
                tracing::warn!(reason = %err, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
        was_full &= slots.available_permits() == 0;
    }
}

/// Accepts what others have connected before nothing more was accepted: what they have sent would be lost, and a proxy does
/// not repeat it.
fn accept_rest(
    listener: TcpListener,
    shared: &Arc<Shared>,
    (slots, addresses): (&Arc<Semaphore>, &Arc<Addresses>),
    main: &Handle,
) {
    let Ok(listener) = listener.into_std() else { return };
    for _ in 0..LONGEST_QUEUE {
        let Ok((socket, from)) = listener.accept() else { return };
        let Ok(slot) = slots.clone().try_acquire_owned() else { return };
        let Some(seat) = addresses.seat(from.ip()) else { continue };
        let socket = socket.set_nonblocking(true).and_then(|()| TcpStream::from_std(socket));
        let Ok(socket) = socket else { continue };
        let place = place(socket, shared.clone(), (slot, seat), main.clone());
        shared.connections.spawn(shared.killed.clone().run_until_cancelled_owned(place));
    }
}

/// Serves a connection here, on the control thread, or has it served by the main threads.
async fn place(socket: TcpStream, shared: Arc<Shared>, held: (OwnedSemaphorePermit, Seat), main: Handle) {
    const HEALTH: &[u8] = b"GET /health/";
    let mut start = [0; HEALTH.len()];
    let peeking = timeout(shared.settings.header_timeout, socket.peek(&mut start));
    let too_late = async {
        shared.stopping.cancelled().await;
        sleep(LAST_WORD).await;
    };
    let peeked = tokio::select! { peeked = peeking => peeked, () = too_late => return };
    let Ok(Ok(_)) = peeked else { return };
    if start == HEALTH {
        connection::serve(socket, shared, Some(main)).await;
        return;
    }
    let Ok(socket) = socket.into_std() else { return };
    let (tracker, killed) = (shared.connections.clone(), shared.killed.clone());
    let serving = async move {
        if let Ok(socket) = TcpStream::from_std(socket) {
            connection::serve(socket, shared, None).await;
        }
        drop(held);
    };
    tracker.spawn_on(killed.run_until_cancelled_owned(serving), &main);
}
