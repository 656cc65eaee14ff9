//! `sidehook migrate`.

use clap::Args;

use super::{Settings, output};
use crate::app::open_store;

/// Creates or upgrades sidehook's own tables. `serve` does so by itself; this is for deployments whose
/// database user may not create tables.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sidehook migrate --env-file .env
  sidehook migrate --stand-alone --database sidehook.sqlite")]
pub(super) struct Migrate {
    /// Also create the workflow tables of NocoBase, for a database without NocoBase
    #[arg(long)]
    stand_alone: bool,
    #[command(flatten)]
    settings: Settings,
}

impl Migrate {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let (config, _log) = self.settings.load().await?;
        let store = open_store(&config).await?;
        if self.stand_alone {
            migration::stand_alone(store.db.as_sea_orm(), &store.names).await?;
            store.use_write_ahead_log().await?;
            output::line("The tables of a stand-alone database are there and up to date.")?;
        } else {
            migration::own_tables(store.db.as_sea_orm(), &store.names).await?;
            output::line("sidehook's own tables are there and up to date.")?;
        }
        Ok(())
    }
}
