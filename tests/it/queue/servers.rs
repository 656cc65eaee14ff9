//! Servers of queues on free ports of the loopback interface, in temporary folders. They go with the test.

use std::env;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures_util::future::join_all;
use sidehook::queue::{self, Queue};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::databases::daemon::Daemon;
use crate::databases::{REQUIRE_VARIABLE, TestDatabase, free_port, installed};
use crate::server::config;
use crate::wait::until;

/// How long a server may take to accept connections.
const TIMEOUT: Duration = Duration::from_mins(1);

/// The user and the password of all of them.
const LOGIN: &str = "sidehook";

/// What can be in front of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Nats,
    Redis,
}

/// The servers of one queue.
pub struct Servers {
    pub kind: Kind,
    servers: Vec<Server>,
}

struct Server {
    daemon: Daemon,
    port: u16,
    arguments: Vec<String>,
    program: &'static str,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Nats, Self::Redis];

    fn program(self) -> &'static str {
        match self {
            Self::Nats => "nats-server",
            Self::Redis => "redis-server",
        }
    }

    fn is_built(self) -> bool {
        match self {
            Self::Nats => cfg!(feature = "nats"),
            Self::Redis => cfg!(feature = "redis"),
        }
    }
}

impl Servers {
    /// None where they are not installed, which is said once; a panic instead with `SIDEHOOK_REQUIRE_DATABASES`. None as
    /// well where sidehook was built without them. Of Redis there is one.
    pub async fn start(kind: Kind, count: usize) -> Option<Self> {
        let program = kind.program();
        let is_installed = installed::program(&[program]).is_some();
        if !kind.is_built() || !is_installed {
            static NAMED: [Once; 2] = [Once::new(), Once::new()];
            let why = if kind.is_built() { "is not installed" } else { "needs a feature: --all-features" };
            let text = format!("no queue for tests: {program} {why}");
            let is_required = kind.is_built() && env::var(REQUIRE_VARIABLE).is_ok();
            assert!(!is_required, "{text} ({REQUIRE_VARIABLE} is set)");
            NAMED[kind as usize].call_once(|| drop(writeln!(io::stderr(), "{text}; its tests do nothing")));
            return None;
        }
        let started = match kind {
            Kind::Nats => nats(count).await,
            Kind::Redis => redis(None).await.map(|server| vec![server]),
        };
        let servers = started.unwrap_or_else(|error| panic!("{program} does not start: {error:#}"));
        Some(Self { kind, servers })
    }

    /// As `SIDEHOOK_QUEUE_URL` has it.
    fn url(&self) -> String {
        let url = |server: &Server| match self.kind {
            Kind::Nats => format!("nats://{LOGIN}:{LOGIN}@127.0.0.1:{}", server.port),
            Kind::Redis => format!("redis://:{LOGIN}@127.0.0.1:{}", server.port),
        };
        self.servers.iter().map(url).collect::<Vec<_>>().join(",")
    }

    /// The settings of a sidehook behind them.
    pub fn settings(&self) -> Vec<(String, String)> {
        let replicas = self.servers.len().to_string();
        [("SIDEHOOK_QUEUE_URL", self.url()), ("SIDEHOOK_QUEUE_REPLICAS", replicas)]
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec()
    }

    /// The queue in front of that database, once it answers.
    pub async fn open(&self, database: &TestDatabase) -> Arc<dyn Queue> {
        let settings = self.settings();
        let config = config(database, &pairs(&settings)).queue;
        let queue = queue::open(&config, "main", &[]).await.expect("settings").expect("a queue");
        until(async || queue.set_up().await.is_ok(), || "the queue does not answer".to_owned()).await;
        queue
    }

    /// Kills one of them.
    pub async fn kill(&mut self, place: usize) {
        self.servers[place].daemon.stop("KILL").await.expect("the server is killed");
    }

    /// Starts a server of Redis that is a replica of the first one.
    pub async fn replicate(&mut self) {
        let replica = redis(Some(self.servers[0].port)).await;
        self.servers.push(replica.expect("the replica starts"));
    }

    /// One of them does nothing any more, and its connections stay open.
    pub fn stall(&self, place: usize) {
        self.servers[place].daemon.signal("STOP").expect("the server is stopped");
    }

    /// Has a server of Redis do something that it answers by one line.
    pub async fn tell(&self, command: &str) {
        assert_eq!(self.kind, Kind::Redis);
        let server = (Ipv4Addr::LOCALHOST, self.servers[0].port);
        let mut stream = BufReader::new(TcpStream::connect(server).await.expect("a connection"));
        for command in [&format!("AUTH {LOGIN}"), command] {
            stream.write_all(format!("{command}\r\n").as_bytes()).await.expect("it takes commands");
            let mut answer = String::new();
            stream.read_line(&mut answer).await.expect("it answers");
            assert!(!answer.is_empty() && !answer.starts_with('-'), "{command}: {answer}");
        }
    }

    /// Starts it again, with its data.
    pub async fn start_again(&mut self, place: usize) {
        self.servers[place].start().await.expect("the server starts again");
    }
}

/// Settings as processes and servers take them.
pub fn pairs(settings: &[(String, String)]) -> Vec<(&str, &str)> {
    settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

impl Server {
    async fn start(&mut self) -> Result<()> {
        let path = installed::program(&[self.program]).expect("it is installed");
        let mut command = Command::new(path);
        command.args(&self.arguments);
        self.daemon.spawn(command)?;
        let deadline = Instant::now() + TIMEOUT;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.is_err() {
            if let Some(status) = self.daemon.ended()? {
                bail!("it ended with {status}:\n{}", self.daemon.log());
            }
            if Instant::now() > deadline {
                bail!("it does not listen:\n{}", self.daemon.log());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

/// A cluster where there are several.
async fn nats(count: usize) -> Result<Vec<Server>> {
    let ports = (0..count * 2).map(|_| free_port()).collect::<Result<Vec<_>>>()?;
    let (clients, routes) = ports.split_at(count);
    let all = routes.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect::<Vec<_>>().join(", ");
    let mut servers = Vec::new();
    for (place, (port, route)) in clients.iter().zip(routes).enumerate() {
        let daemon = Daemon::new("nats", "KILL", &["nats", "nobody"])?;
        let data = daemon.folder().join("data");
        let mut config = format!(
            "listen: 127.0.0.1:{port}\nserver_name: n{place}\njetstream {{ store_dir: \"{}\", max_file: 8GB }}\n\
             authorization {{ user: {LOGIN}, password: {LOGIN} }}\n",
            data.display(),
        );
        if count > 1 {
            config += &format!("cluster {{ name: c, listen: 127.0.0.1:{route}, routes: [{all}] }}\n");
        }
        let file = daemon.write("server.conf", &config)?;
        let arguments = vec!["-c".to_owned(), text(&file)];
        servers.push(Server { daemon, port: *port, arguments, program: "nats-server" });
    }
    for started in join_all(servers.iter_mut().map(Server::start)).await {
        started?;
    }
    Ok(servers)
}

/// A replica of the server on the port of another one.
async fn redis(master: Option<u16>) -> Result<Server> {
    let (daemon, port) = (Daemon::new("redis", "KILL", &["redis", "nobody"])?, free_port()?);
    let settings = ["--bind 127.0.0.1", "--appendonly yes", "--appendfsync always", "--masterauth", LOGIN];
    let mut arguments: Vec<String> =
        settings.iter().flat_map(|setting| setting.split(' ')).map(str::to_owned).collect();
    arguments.extend(["--save", "", "--requirepass", LOGIN].map(str::to_owned));
    arguments.extend(["--port".to_owned(), port.to_string(), "--dir".to_owned(), text(daemon.folder())]);
    if let Some(master) = master {
        arguments.extend(["--replicaof".to_owned(), "127.0.0.1".to_owned(), master.to_string()]);
    }
    let mut server = Server { daemon, port, arguments, program: "redis-server" };
    server.start().await?;
    Ok(server)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
