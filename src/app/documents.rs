//! Fetches files by URL that decide who is let in, such as public keys, and keeps them for a while: once for all who
//! wait for one, and within limits of size, time and number.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;
use url::Url;

use crate::outbound::Client;
use crate::webhook::document::{Document, Wanted};
use crate::webhook::refusal::Refusal;

/// Far more than the keys of any identity provider or a certificate take.
const MAX_BYTES: usize = 256 << 10;
/// How long a file may take, from the look-up of its host to its last byte.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request waits for others' files to be fetched before its own.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);
/// A file that could not be had is not asked for again for so long.
const FAILURE_AGE: Duration = Duration::from_secs(10);
/// So many files are kept, those that were used last.
const MAX_FILES: usize = 256;
/// So many are fetched at a time.
const MAX_FETCHES: usize = 8;

/// The files that are known.
pub struct Documents {
    client: Client,
    /// Runs the fetches: one that a sender has caused goes on for others when that sender hangs up.
    tasks: TaskTracker,
    files: Mutex<HashMap<Url, Arc<File>>>,
    fetches: Arc<Semaphore>,
}

/// One file. Whoever holds the lock of its state fetches it; the others wait for that.
struct File {
    state: Arc<AsyncMutex<State>>,
    used: Mutex<Instant>,
}

#[derive(Default)]
struct State {
    copy: Option<(Bytes, Instant)>,
    failed: Option<Instant>,
}

impl Documents {
    /// Knows nothing yet. Whoever ends `tasks` waits for fetches under way, which have a limit of time.
    pub(super) fn new(client: Client, tasks: TaskTracker) -> Self {
        let fetches = Arc::new(Semaphore::new(MAX_FETCHES));
        Self { client, tasks, files: Mutex::default(), fetches }
    }

    /// A file, from memory where a copy is new enough.
    pub async fn get(&self, wanted: &Wanted) -> Result<Document, Refusal> {
        let Wanted { url, max_age } = wanted;
        let refused = |reason: &str| {
            // Without path and query: they may hold a key.
            let host = url.host_str().unwrap_or_default();
            Refusal::undecided()
                .because(format!("a file of {host} that a check needs cannot be had: {reason}"))
        };
        let file = self.file(url).ok_or_else(|| refused("too many files are fetched at the moment"))?;
        let waiting = timeout(QUEUE_TIMEOUT, file.state.clone().lock_owned());
        let state = waiting.await.map_err(|_| refused("others wait for it"))?;
        if let Some(document) = state.document(*max_age) {
            return Ok(document);
        }
        if state.failed.is_some_and(|at| at.elapsed() < FAILURE_AGE) {
            return Err(refused("it could not be fetched a moment ago"));
        }
        let fetching = self.tasks.spawn(fetch(self.client.clone(), self.fetches.clone(), url.clone(), state));
        let fetched = fetching.await.unwrap_or_else(|_| Err("the fetch has failed".to_owned()));
        fetched.map_err(|reason| refused(&reason))
    }

    /// The place of a file; none where all places are taken by files that somebody waits for.
    fn file(&self, url: &Url) -> Option<Arc<File>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(url) {
            file.touch();
            return Some(file.clone());
        }
        if files.len() >= MAX_FILES {
            let unused = files
                .iter()
                .filter(|(_, file)| Arc::strong_count(file) == 1 && Arc::strong_count(&file.state) == 1);
            let oldest = unused.min_by_key(|(_, file)| file.last_used()).map(|(url, _)| url.clone())?;
            files.remove(&oldest);
        }
        let file = Arc::new(File { state: Arc::default(), used: Mutex::new(Instant::now()) });
        files.insert(url.clone(), file.clone());
        Some(file)
    }
}

impl File {
    fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn last_used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn document(&self, max_age: Duration) -> Option<Document> {
        let (bytes, fetched) = self.copy.as_ref()?;
        let age = fetched.elapsed();
        (age <= max_age).then(|| Document { bytes: bytes.clone(), age })
    }
}

/// Fetches a file; a failure leaves the copy that there is, which is good for its time.
async fn fetch(
    client: Client,
    fetches: Arc<Semaphore>,
    url: Url,
    mut state: OwnedMutexGuard<State>,
) -> Result<Document, String> {
    let permit = timeout(QUEUE_TIMEOUT, fetches.acquire_owned()).await;
    let Ok(Ok(_permit)) = permit else { return Err("too many files are fetched at the moment".to_owned()) };
    match client.download(&url, MAX_BYTES, TIMEOUT).await {
        Ok(bytes) => {
            let bytes = Bytes::from(bytes);
            *state = State { copy: Some((bytes.clone(), Instant::now())), failed: None };
            Ok(Document { bytes, age: Duration::ZERO })
        }
        Err(failure) => {
            state.failed = Some(Instant::now());
            Err(failure.message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::Settings;

    fn documents() -> Documents {
        let settings = Settings::open(1, TIMEOUT);
        Documents::new(Client::new(&settings, Vec::new()).expect("a client"), TaskTracker::new())
    }

    fn url(number: usize) -> Url {
        Url::parse(&format!("https://keys.example/{number}")).expect("a URL")
    }

    #[test]
    fn memory_is_bounded_and_files_that_are_waited_for_stay() {
        let documents = documents();
        let held: Vec<_> = (0..10).map(|number| documents.file(&url(number)).expect("a place")).collect();
        assert!((10..2 * MAX_FILES).all(|number| documents.file(&url(number)).is_some()));
        let files = documents.files.lock().expect("a lock");
        assert_eq!(files.len(), MAX_FILES);
        assert!((0..10).all(|number| files.contains_key(&url(number))));
        drop((files, held));
        let all: Vec<_> =
            (1000..1000 + MAX_FILES).filter_map(|number| documents.file(&url(number))).collect();
        assert_eq!((all.len(), documents.file(&url(0)).is_none()), (MAX_FILES, true));
    }

    #[test]
    fn a_copy_is_good_for_its_age() {
        let fetched = Instant::now() - Duration::from_secs(61);
        let state = State { copy: Some((Bytes::from_static(b"x"), fetched)), failed: Some(Instant::now()) };
        let age =
            |max_age| state.document(Duration::from_secs(max_age)).map(|document| document.age.as_secs());
        assert_eq!((age(60), age(600)), (None, Some(61)));
        assert!(State::default().document(Duration::MAX).is_none());
    }
}
