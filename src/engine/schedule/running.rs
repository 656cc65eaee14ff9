//! The executions that run in this process.

use std::collections::{HashMap, hash_map};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

#[derive(Clone, Default)]
pub struct Running(Arc<Mutex<HashMap<i64, Entry>>>);

struct Entry {
    aborted: CancellationToken,
    /// Whether the database has a row that somebody could have changed.
    has_row: bool,
    /// Whether it had one at the last look.
    is_watched: bool,
}

/// Takes the execution off the list when dropped.
pub struct Registration {
    running: Running,
    id: i64,
    pub aborted: CancellationToken,
}

impl Running {
    /// Puts an execution on the list. `has_row` tells whether it has been recorded.
    pub fn register(&self, id: i64, has_row: bool) -> Registration {
        let aborted = CancellationToken::new();
        self.entries().insert(id, Entry { aborted: aborted.clone(), has_row, is_watched: false });
        Registration { running: self.clone(), id, aborted }
    }

    /// Puts an execution that has been recorded on the list; `None` when it is on it already, because it runs or
    /// is about to.
    pub fn try_register(&self, id: i64) -> Option<Registration> {
        let aborted = CancellationToken::new();
        match self.entries().entry(id) {
            hash_map::Entry::Occupied(_) => return None,
            hash_map::Entry::Vacant(place) => {
                place.insert(Entry { aborted: aborted.clone(), has_row: true, is_watched: false });
            }
        }
        Some(Registration { running: self.clone(), id, aborted })
    }

    /// The execution has been recorded.
    pub fn recorded(&self, id: i64) {
        if let Some(entry) = self.entries().get_mut(&id) {
            entry.has_row = true;
        }
    }

    pub fn count(&self) -> usize {
        self.entries().len()
    }

    /// The executions that had a row already at the last call.
    pub fn watched(&self) -> Vec<i64> {
        let mut entries = self.entries();
        let watched = entries.iter().filter(|(_, entry)| entry.is_watched).map(|(id, _)| *id).collect();
        entries.values_mut().for_each(|entry| entry.is_watched = entry.has_row);
        watched
    }

    pub fn abort(&self, id: i64) {
        if let Some(entry) = self.entries().get(&id) {
            entry.aborted.cancel();
        }
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, HashMap<i64, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registration {
    /// Whether the execution has been recorded.
    pub fn has_row(&self) -> bool {
        self.running.entries().get(&self.id).is_some_and(|entry| entry.has_row)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.running.entries().remove(&self.id);
    }
}
