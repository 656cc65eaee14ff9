//! What belongs to the process, however many applications it serves: memory, threads and traces are shared by all of
//! them.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::runtime::Handle;

use super::assembly;
use crate::config::Config;
use crate::engine::Fetched;
use crate::script::Pool;
use crate::trace::Tracer;
use crate::webhook::memory::Memory;

/// How long the last traces may take at the end.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// Executions that are fetched may take so much beside [`Process::memory`]: this part of it. Requests do not wait for them, nor
/// they for requests.
const FETCHED_PART: usize = 2;

/// What applications share.
#[derive(Clone)]
pub struct Process {
    /// What bodies and contexts may take.
    pub memory: Arc<Memory>,
    /// What the contexts of executions may take that were fetched from the database.
    pub(super) fetched: Arc<Fetched>,
    pub tracer: Tracer,
    /// The runtime that nothing in a request can hold up.
    pub control: Handle,
    pub(super) scripts: Arc<Pool>,
    pub(super) certificates: Vec<CertificateDer<'static>>,
}

impl Process {
    /// `control` is a runtime that nothing in a request can hold up.
    pub fn new(config: &Config, control: &Handle) -> anyhow::Result<Self> {
        let certificates = assembly::certificates(config);
        Ok(Self {
            memory: Memory::new(config.http.memory),
            fetched: Arc::new(Fetched::new(config.http.memory / FETCHED_PART)),
            tracer: assembly::tracer(config, &certificates, control)?,
            control: control.clone(),
            scripts: Arc::new(Pool::new(assembly::limits(config))),
            certificates,
        })
    }

    /// Sends what is left of the traces; to be called once nothing is served any more.
    pub async fn end(&self) {
        self.tracer.stop(FLUSH_LIMIT).await;
    }
}
