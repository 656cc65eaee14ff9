//! The queue in front of the database: whether it answers, and what it does not survive as it is set.

use super::report::Report;
use crate::cli::queue::reach;
use crate::config::Config;

pub(super) async fn look(config: &Config, report: &mut Report) {
    const LABEL: &str = "Queue in front";
    if config.queue.servers.is_none() {
        return;
    }
    let looked = async {
        let queue = reach(config).await?;
        anyhow::Ok((queue.depth().await?, queue.warnings().await?))
    };
    match looked.await {
        Ok((depth, warnings)) => {
            report.fact(LABEL, &format!("{} events wait, {} were put aside", depth.events, depth.dead));
            warnings.iter().for_each(|text| report.warning(text));
        }
        Err(err) => {
            report.fact(LABEL, "not usable");
            report.error(&format!("{err:#}"));
        }
    }
}
