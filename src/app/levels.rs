//! How things stand, for the metrics.

use std::time::Duration;

use super::App;
use crate::config::MAIN;
use crate::metrics::{Families, Level};
use crate::store::fault::describe;

/// How long the database may take to tell how things stand there.
const PATIENCE: Duration = Duration::from_secs(2);

impl App {
    /// Everything that is measured. While the database does not answer, what it would tell stays as it was. What
    /// applications share is told by the main one.
    pub async fn measured(&self) -> Families {
        let (all, idle) = self.store.db.connections();
        let mut levels = vec![
            Level::Database { busy: all - idle, idle },
            Level::Workflows(self.hooks.entries().len()),
            Level::Written(self.requests.written()),
            Level::Dropped(self.requests.dropped()),
        ];
        levels.extend(self.engine.levels());
        levels.extend(self.front.as_ref().map(|front| front.level()));
        if self.config.app == MAIN {
            let memory = self.process.memory.used();
            levels.push(Level::Memory { used: memory, limit: self.config.http.memory });
            let crews = self.process.scripts.busy().into_iter();
            levels.extend(crews.map(|(crew, (busy, abandoned))| Level::Threads { crew, busy, abandoned }));
        }
        levels.extend(self.standing().await);
        self.metrics.measured(&levels)
    }

    async fn standing(&self) -> Vec<Level> {
        let ids = self.engine.ids();
        let standing = match tokio::time::timeout(PATIENCE, self.store.standing(ids.now())).await {
            Ok(Ok(standing)) => standing,
            Ok(Err(err)) => {
                tracing::debug!(reason = describe(&err), "the metrics lack what the database knows");
                return Vec::new();
            }
            Err(_) => return Vec::new(),
        };
        let oldest = standing.oldest.map(|id| ids.since_second_of(id).as_secs());
        vec![
            Level::Backlog(standing.waiting),
            Level::OldestWait(oldest.unwrap_or_default()),
            Level::Leases(standing.leased),
            Level::Instances(standing.instances.len() as u64),
        ]
    }
}
