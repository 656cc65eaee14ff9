//! Waiting for work, for a time and for the database, as far as a run may go on at all.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::transactions::Scope;
use crate::engine::run::event::Cut;
use crate::expr::Thrown;
use crate::store;

/// How long to wait before a database that was away is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Servers end transactions in which nothing happens for an instance's time-to-live.
const SIGN_OF_LIFE: Duration = Duration::from_secs(3);

/// What ends a run from outside.
pub(super) struct CutOff {
    /// Set when somebody else ends the execution.
    aborted: CancellationToken,
    /// When its time is over.
    deadline: Option<Instant>,
}

impl CutOff {
    /// `expires_at` is the end of the execution's time by a clock that says `now`.
    pub(super) fn new(
        aborted: CancellationToken,
        expires_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Self {
        let left = expires_at.map(|expires_at| (expires_at - now).to_std().unwrap_or_default());
        Self { aborted, deadline: left.and_then(|left| Instant::now().checked_add(left)) }
    }

    /// Why the run may not go on, if so.
    pub(super) fn reached(&self) -> Option<Cut> {
        if self.aborted.is_cancelled() {
            return Some(Cut::Aborted);
        }
        self.deadline.filter(|deadline| *deadline <= Instant::now()).map(|_| Cut::Late)
    }

    /// Done when the run may not go on.
    pub(super) async fn reach(&self) {
        tokio::select! {
            biased;
            () = self.aborted.cancelled() => {}
            () = sleep_until_or_never(self.deadline) => {}
        }
    }

    /// The outcome of work on a node, an error if it panics; `None` when the run may not go on before.
    pub(super) async fn guard<T>(
        &self,
        work: impl Future<Output = Result<T, Thrown>>,
    ) -> Option<Result<T, Thrown>> {
        tokio::select! {
            biased;
            () = self.reach() => None,
            outcome = AssertUnwindSafe(work).catch_unwind() => {
                Some(outcome.unwrap_or_else(|panic| Err(panicked(&*panic))))
            }
        }
    }
}

pub(super) async fn sleep_until_or_never(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

pub(super) fn panicked(panic: &(dyn std::any::Any + Send)) -> Thrown {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    tracing::error!(reason = text, "a node panicked");
    Thrown::error(format!("sidehook has a defect in this node type: {text}"))
}

/// Waits for work, with transactions around it that their servers must not take for abandoned meanwhile.
pub(super) async fn keep_open<T>(scopes: &[Scope], work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        match tokio::time::timeout(SIGN_OF_LIFE, &mut work).await {
            Ok(outcome) => return outcome,
            Err(_) => {
                for scope in scopes {
                    store::touch(&scope.transaction).await;
                }
            }
        }
    }
}

/// Lets an execution that was acknowledged wait until the database may be back.
pub(super) async fn wait_for_database(execution_id: i64, reason: &str) {
    tracing::warn!(execution.id = execution_id, reason, "execution waits for the database");
    tokio::time::sleep(RETRY_DELAY).await;
}
