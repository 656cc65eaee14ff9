//! What nodes use besides the execution they belong to.

use std::sync::Arc;
use std::time::Duration;

use super::files::Files;
use crate::collection::{Collections, Notifications, Sources};
use crate::outbound::mail::Mailer;
use crate::outbound::{Client, NocoBase};
use crate::script::Pool;

/// Clients and pools that all nodes of all executions share. `App` makes them once from the configuration.
pub struct Services {
    /// The collections of the main data source.
    pub collections: Arc<Collections>,
    /// The other data sources.
    pub sources: Arc<Sources>,
    /// How long a statement of an sql node may take.
    pub sql_timeout: Duration,
    /// NocoBase's HTTP API, where the settings name it.
    pub nocobase: Option<NocoBase>,
    /// The same, where data nodes are to write through it.
    pub data_api: Option<NocoBase>,
    /// Sends the requests of request nodes.
    pub requests: Client,
    /// Sends the mail of mailer nodes.
    pub mail: Mailer,
    /// NocoBase's notifications: their channels, and what has become of them.
    pub notifications: Notifications,
    /// The files that request and mailer nodes send.
    pub files: Files,
    /// Runs JavaScript.
    pub scripts: Arc<Pool>,
}
