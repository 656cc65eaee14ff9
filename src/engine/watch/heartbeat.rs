//! The life of this instance among others: its sign of life, and taking over what instances have left that
//! are gone.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::Engine;
use crate::store::instance::{InstanceError, TIME_TO_LIVE};

/// How often an instance gives a sign of life and looks for the leases of others.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// After so long without an answer of the database it counts as having been away.
const LONGEST_GAP: Duration = Duration::from_secs(5);

/// Whether this instance may judge others by their silence: not while the database itself is or has just been
/// away, because nobody could give a sign of life then.
#[derive(Default)]
struct Judgement {
    /// Since when the database has answered without a break.
    answers_since: Option<Instant>,
    last_answer: Option<Instant>,
}

impl Judgement {
    /// The database has answered.
    fn answered(&mut self, now: Instant) {
        let is_gap = self.last_answer.is_none_or(|last| now.duration_since(last) > LONGEST_GAP);
        if self.answers_since.is_none() || is_gap {
            self.answers_since = Some(now);
        }
        self.last_answer = Some(now);
    }

    fn failed(&mut self) {
        self.answers_since = None;
    }

    fn is_allowed(&self, now: Instant) -> bool {
        self.answers_since.is_some_and(|since| now.duration_since(since) >= TIME_TO_LIVE)
    }
}

impl Engine {
    /// Keeps this instance alive until nothing runs any more. Returns an error when another one has taken its
    /// number.
    pub async fn keep_alive(self: Arc<Self>) -> Result<(), InstanceError> {
        let mut judgement = Judgement::default();
        loop {
            match self.beat().await {
                Ok(()) => {
                    judgement.answered(Instant::now());
                    if !self.is_stopping() {
                        self.take_over(judgement.is_allowed(Instant::now())).await;
                    }
                }
                Err(InstanceError::Database(err)) => {
                    judgement.failed();
                    tracing::warn!(reason = %err, "no sign of life could be given: the database does not answer");
                }
                Err(err) => return Err(err),
            }
            if self.stopped.run_until_cancelled(tokio::time::sleep(HEARTBEAT)).await.is_none() {
                return Ok(());
            }
        }
    }

    /// Gives a sign of life and reserves ids.
    pub async fn beat(&self) -> Result<(), InstanceError> {
        let until = self.ids.next_reservation();
        self.store.heartbeat(self.owner, until).await?;
        self.ids.reserve(until);
        Ok(())
    }

    /// Takes over what instances have left that are gone, if this one may judge them, and picks up what belongs
    /// to this one and is not run.
    async fn take_over(self: &Arc<Self>, judges: bool) {
        let mut executions = Vec::new();
        if let Err(err) = self.store.take_over(self.owner, judges, &mut executions).await {
            tracing::warn!(reason = %err, "leases could not be checked");
        }
        if !executions.is_empty() {
            tracing::info!(executions = executions.len(), "taking over what another instance has left");
            self.strand(executions);
        }
        let executions = std::mem::take(&mut *self.stranded.lock().unwrap_or_else(PoisonError::into_inner));
        if executions.is_empty() {
            return;
        }
        let engine = self.clone();
        self.tasks.spawn(async move {
            for id in executions {
                if engine.stopping.run_until_cancelled(engine.workers.any_free()).await.is_none() {
                    return;
                }
                if let Err(err) = engine.pick_up(&[id], false).await {
                    tracing::warn!(execution.id = id, reason = %err, "an execution could not be resumed yet");
                    engine.strand(vec![id]);
                }
            }
        });
    }

    /// Leaves executions for the next heartbeat to pick up, if they are this instance's.
    pub fn strand(&self, executions: Vec<i64>) {
        self.stranded.lock().unwrap_or_else(PoisonError::into_inner).extend(executions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_judged_until_a_time_to_live_after_the_database_was_away() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut judgement = Judgement::default();
        assert!(!judgement.is_allowed(at(0)));
        for second in 0..=10 {
            judgement.answered(at(second));
            assert_eq!(judgement.is_allowed(at(second)), second == 10);
        }
        judgement.failed();
        judgement.answered(at(12));
        assert!(!judgement.is_allowed(at(13)));
        for second in 13..23 {
            judgement.answered(at(second));
        }
        assert!(judgement.is_allowed(at(22)));
        judgement.answered(at(40));
        assert!(!judgement.is_allowed(at(41)), "it was silent in between");
    }
}
