//! Background tasks that must not end by themselves: one that does, or panics, is a failure of the whole process.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

/// What has gone wrong for good, told once to all who ask.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failure {
    reason: Arc<OnceLock<String>>,
    happened: CancellationToken,
}

impl Failure {
    /// Reports what has gone wrong; the first report counts.
    pub(crate) fn report(&self, reason: impl Into<String>) {
        if let Ok(()) = self.reason.set(reason.into()) {
            tracing::error!(reason = self.reason(), "this instance stops");
        }
        self.happened.cancel();
    }

    /// Done when something has been reported.
    pub(crate) async fn happened(&self) {
        self.happened.cancelled().await;
    }

    /// What was reported.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.get().map(String::as_str)
    }

    /// Runs a task that may end once `end` is cancelled and not before.
    pub(crate) async fn watch(
        self,
        name: &'static str,
        end: CancellationToken,
        task: impl Future<Output = ()>,
    ) {
        match AssertUnwindSafe(task).catch_unwind().await {
            Ok(()) if end.is_cancelled() => {}
            Ok(()) => self.report(format!("the background task {name} has ended")),
            Err(panic) => self.report(format!("the background task {name} has panicked: {}", text(&*panic))),
        }
    }
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref().copied()).unwrap_or("without a text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_or_panics_is_a_failure() {
        let ended = Failure::default();
        ended.clone().watch("a", CancellationToken::new(), async {}).await;
        assert_eq!(ended.reason(), Some("the background task a has ended"));
        ended.happened().await;
        let panicked = Failure::default();
        let panic = async { panic!("no {}", "luck") };
        panicked.clone().watch("b", CancellationToken::new(), panic).await;
        assert_eq!(panicked.reason(), Some("the background task b has panicked: no luck"));
    }

    #[tokio::test]
    async fn a_task_that_was_told_to_end_is_none() {
        let (failure, end) = (Failure::default(), CancellationToken::new());
        end.cancel();
        failure.clone().watch("a", end, async {}).await;
        assert_eq!(failure.reason(), None);
    }
}
