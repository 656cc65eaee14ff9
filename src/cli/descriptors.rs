//! File descriptors: connections of callers, of the database and of request nodes share one budget.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// As many connections as are served at a time where descriptors are plenty; an idle one takes about 45 kB.
const MAX_CONNECTIONS: u64 = 10_000;
/// More descriptors than this are not asked for.
const MAX_DESCRIPTORS: u64 = 65_536;
/// For files, logs, runtimes and the connections of request nodes.
const RESERVE: u64 = 100;
/// SQLite has up to three files for a connection.
const PER_DATABASE_CONNECTION: u64 = 3;

/// Raises the soft limit of the process, and returns how many connections may be served at a time.
pub(super) fn connections(config: &Config) -> usize {
    let pools = u64::from(config.database.pool_max) + config.apps.connections();
    let for_database = pools * PER_DATABASE_CONNECTION;
    let share = share(raise_limit(), for_database);
    let wanted = config.http.max_connections.map_or(MAX_CONNECTIONS.min(share), |wanted| wanted as u64);
    if wanted > share {
        tracing::warn!(
            connections = wanted,
            "the limit of file descriptors leaves room for fewer connections than SIDEHOOK_MAX_CONNECTIONS"
        );
    }
    wanted.min(share) as usize
}

/// The most of so many descriptors that are left for connections, a fifth of them for request nodes.
fn share(descriptors: u64, for_database: u64) -> u64 {
    let left = descriptors.saturating_sub(for_database + RESERVE);
    (left / 5 * 4).max(descriptors / 4).max(1)
}

fn raise_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let (Some(current), wanted) = (current, maximum.unwrap_or(MAX_DESCRIPTORS).min(MAX_DESCRIPTORS)) else {
        return MAX_DESCRIPTORS;
    };
    if current >= wanted {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }) {
        Ok(()) => wanted,
        Err(err) => {
            tracing::warn!(reason = %err, limit = current, "the limit of file descriptors cannot be raised");
            current
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_keeps_its_descriptors() {
        assert_eq!(share(1_024, 30), 712);
        assert_eq!(share(64, 30), 16);
        assert!(share(65_536, 30) > MAX_CONNECTIONS);
    }
}
