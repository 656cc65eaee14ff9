//! Waiting for work, for a time and for the database, as far as a run may go on at all.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use sea_orm::DatabaseTransaction;
use tokio_util::sync::CancellationToken;

use crate::expr::Thrown;
use crate::store::recorder;

/// How long to wait before a database that was away is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Servers end transactions in which nothing happens for an instance's time-to-live.
const SIGN_OF_LIFE: Duration = Duration::from_secs(3);

/// The outcome of work on a node, an error if it panics; `None` when the execution is cut off before.
pub async fn until_cut_off<T>(
    work: impl Future<Output = Result<T, Thrown>>,
    aborted: &CancellationToken,
    time_left: Option<Duration>,
) -> Option<Result<T, Thrown>> {
    tokio::select! {
        biased;
        () = aborted.cancelled() => None,
        () = sleep_or_never(time_left) => None,
        outcome = AssertUnwindSafe(work).catch_unwind() => {
            Some(outcome.unwrap_or_else(|panic| Err(panicked(&*panic))))
        }
    }
}

pub async fn sleep_or_never(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

pub fn panicked(panic: &(dyn std::any::Any + Send)) -> Thrown {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    tracing::error!(reason = text, "a node panicked");
    Thrown::error(format!("sidehook has a defect in this node type: {text}"))
}

/// Waits for work, with a transaction around it that the server must not take for abandoned meanwhile.
pub async fn keep_open<T>(scope: Option<&DatabaseTransaction>, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        match tokio::time::timeout(SIGN_OF_LIFE, &mut work).await {
            Ok(outcome) => return outcome,
            Err(_) => {
                if let Some(scope) = scope {
                    recorder::touch(scope).await;
                }
            }
        }
    }
}

/// Lets an execution that was acknowledged wait until the database may be back.
pub async fn wait_for_database(execution_id: i64, reason: &str) {
    tracing::warn!(execution.id = execution_id, reason, "execution waits for the database");
    tokio::time::sleep(RETRY_DELAY).await;
}
