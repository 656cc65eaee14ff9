//! What all requests for webhooks share: the memory that they may take, the threads that large ones are read on, and
//! who may call.

use std::sync::Arc;
use std::time::Instant;

use super::readers::Readers;
use super::strangers::Strangers;
use crate::config::{Access, Config};
use crate::webhook::cors::Cors;
use crate::webhook::memory::Memory;

pub(super) struct Limits {
    pub memory: Arc<Memory>,
    pub readers: Readers,
    pub strangers: Strangers,
    /// For webhooks that say nothing of it.
    pub cors: Cors,
    pub access: Access,
    /// The longest body of any webhook, in bytes.
    pub body: usize,
    pub started: Instant,
}

impl Limits {
    pub(super) fn new(config: &Config, memory: Arc<Memory>) -> Arc<Self> {
        let access = config.http.access.clone();
        Arc::new(Self {
            memory,
            readers: Readers::default(),
            strangers: Strangers::new(access.failure_limit),
            cors: Cors::of_whitelist(access.cors_whitelist.as_deref()),
            access,
            body: config.http.body_limit,
            started: Instant::now(),
        })
    }
}
