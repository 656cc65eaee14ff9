//! A sidehook in the process of a command, for as long as the command takes: an instance like any other that nobody can
//! connect to.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use crate::app::App;
use crate::config::Config;
use crate::control::Control;

pub(super) struct InProcess {
    pub app: Arc<App>,
    grace: Duration,
    _control: Control,
}

impl InProcess {
    pub(super) async fn start(config: Config) -> anyhow::Result<Self> {
        let (grace, control) = (config.http.grace, Control::start().context("no thread can be started")?);
        let app = Box::pin(App::start(config, control.handle())).await?;
        Ok(Self { app, grace, _control: control })
    }

    /// Lets what runs end, within the time of grace; the next instance goes on with what is left.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        self.app.stop();
        let ended = Box::pin(self.app.shut_down(self.grace)).await;
        self.app.process.end().await;
        ended
    }
}
