//! The two layouts of ids. Those of sidehook and of NocoBase sort together and never collide: executions take
//! NocoBase's `snowflakeId` layout with sequences from 32768 up, jobs its 64-bit layout with instance numbers
//! from 32 up (`packages/core/snowflake-id`, `nodejs-snowflake`).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, FixedOffset, Utc};

use crate::clock::Clock;
use crate::expr::system::{SNOWFLAKE_EPOCH_SECONDS, System};

/// How far ahead of now an instance reserves ids. A heartbeat each second moves the end on.
pub const ID_RESERVE: Duration = Duration::from_secs(30);

/// The first sequence number of execution ids; NocoBase counts from 0 in every second.
const FIRST_EXECUTION_SEQUENCE: i64 = 32_768;
/// The end of the 16 bits of that sequence.
const EXECUTION_SEQUENCE_END: i64 = 65_536;
/// The end of the 10 bits of the sequence in job ids.
const JOB_SEQUENCE_END: i64 = 1_024;
/// NocoBase's own instances have numbers below this.
const FIRST_JOB_INSTANCE: i64 = 32;

/// Gives out ids of one instance. Its time never goes back: when the clock does, or when a second or
/// millisecond has run out of numbers, ids run ahead of the clock, but never past what has been reserved.
pub struct Ids {
    clock: Arc<dyn Clock>,
    worker: i64,
    /// `E` of the job layout: when NocoBase's workflow plugin was installed, in milliseconds.
    job_epoch_ms: i64,
    state: Mutex<State>,
}

struct State {
    execution_second: i64,
    execution_sequence: i64,
    job_ms: i64,
    job_sequence: i64,
    reserved_until_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no ids are left that this instance has reserved; the database has not taken a heartbeat for too long"
)]
pub struct NoIdsLeft;

impl Ids {
    /// `worker` is the instance's number, 0 to 31; ids up to `used_until_ms` have been given out before.
    pub fn new(clock: Arc<dyn Clock>, worker: u8, job_epoch_ms: i64, used_until_ms: i64) -> Self {
        let state = State {
            execution_second: used_until_ms.div_euclid(1000) + 1,
            execution_sequence: FIRST_EXECUTION_SEQUENCE,
            job_ms: used_until_ms + 1,
            job_sequence: 0,
            reserved_until_ms: i64::MIN,
        };
        Self { clock, worker: worker.into(), job_epoch_ms, state: Mutex::new(state) }
    }

    /// The end of the ids to reserve next, in milliseconds. It counts after [`Ids::reserve`], which is
    /// called once the end has been stored.
    pub fn next_reservation(&self) -> i64 {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = state.job_ms.max(state.execution_second * 1000);
        self.clock.now().timestamp_millis().max(ahead) + ID_RESERVE.as_millis() as i64
    }

    /// Up to when ids have been given out, in milliseconds: what has to be remembered once no more are taken.
    pub fn used_until(&self) -> i64 {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.job_ms.max(state.execution_second * 1000)
    }

    /// Lets all further job ids be greater than this one, which another instance may have given out by a clock
    /// that is ahead: of the jobs of an execution the greatest id is the newest.
    pub fn pass_job(&self, id: i64) {
        let ms = (id >> 22) + self.job_epoch_ms;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if ms >= state.job_ms {
            (state.job_ms, state.job_sequence) = (ms + 1, 0);
        }
    }

    pub fn reserve(&self, until_ms: i64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.reserved_until_ms = state.reserved_until_ms.max(until_ms);
    }

    /// `(second − 1605024000) · 2^21 + worker · 2^16 + sequence`.
    pub fn execution_id(&self) -> Result<i64, NoIdsLeft> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let second = self.clock.now().timestamp();
        if second > state.execution_second {
            (state.execution_second, state.execution_sequence) = (second, FIRST_EXECUTION_SEQUENCE);
        } else if state.execution_sequence == EXECUTION_SEQUENCE_END {
            (state.execution_second, state.execution_sequence) =
                (state.execution_second + 1, FIRST_EXECUTION_SEQUENCE);
        }
        if state.execution_second * 1000 > state.reserved_until_ms {
            return Err(NoIdsLeft);
        }
        let id = ((state.execution_second - SNOWFLAKE_EPOCH_SECONDS) << 21)
            + (self.worker << 16)
            + state.execution_sequence;
        state.execution_sequence += 1;
        Ok(id)
    }

    /// `(ms − E) << 22 | instance << 10 | sequence`.
    pub fn job_id(&self) -> Result<i64, NoIdsLeft> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let ms = self.clock.now().timestamp_millis();
        if ms > state.job_ms {
            (state.job_ms, state.job_sequence) = (ms, 0);
        } else if state.job_sequence == JOB_SEQUENCE_END {
            (state.job_ms, state.job_sequence) = (state.job_ms + 1, 0);
        }
        if state.job_ms > state.reserved_until_ms {
            return Err(NoIdsLeft);
        }
        let id = ((state.job_ms - self.job_epoch_ms) << 22)
            | ((FIRST_JOB_INSTANCE + self.worker) << 10)
            | state.job_sequence;
        state.job_sequence += 1;
        Ok(id)
    }

    /// A key for the execution of an event that brings none, for NocoBase's unique column `eventKey`: a UUID, as NocoBase
    /// has it, but one that begins with the time (RFC 9562, version 7), so that new ones lie together in the index. Random
    /// ones change another of its pages each.
    pub fn event_key(&self) -> String {
        let now = self.clock.now();
        let seconds = now.timestamp().max(0).unsigned_abs();
        let time = uuid::Timestamp::from_unix(uuid::NoContext, seconds, now.timestamp_subsec_nanos());
        uuid::Uuid::new_v7(time).to_string()
    }

    /// How long ago the second began in which the id of an execution was made.
    pub fn since_second_of(&self, execution_id: i64) -> Duration {
        let since = self.clock.now().timestamp() - second_of(execution_id);
        Duration::from_secs(since.max(0).unsigned_abs())
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}

/// The second in which the id of an execution was made, since 1970.
pub fn second_of(execution_id: i64) -> i64 {
    (execution_id >> 21) + SNOWFLAKE_EPOCH_SECONDS
}

/// `$system`, answered by the clock and the ids of this instance.
impl System for Ids {
    fn now(&self) -> DateTime<FixedOffset> {
        self.clock.now().with_timezone(&chrono::Local).fixed_offset()
    }

    fn snowflake_id(&self) -> i64 {
        self.execution_id().unwrap_or_default()
    }

    fn instance_id(&self) -> u16 {
        self.worker as u16
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::clock::ManualClock;

    fn ids(clock: &Arc<ManualClock>, used_until_ms: i64) -> Ids {
        let ids = Ids::new(clock.clone(), 3, 1_795_304_388_644, used_until_ms);
        ids.reserve(i64::MAX);
        ids
    }

    #[test]
    fn ids_have_nocobases_layouts() {
        let clock = Arc::new(ManualClock::at(1_795_304_647_187));
        let ids = ids(&clock, 0);
        let execution = ids.execution_id().expect("reserved");
        assert_eq!(execution >> 21, 1_795_304_647 - 1_605_024_000);
        assert_eq!((execution >> 16) & 31, 3);
        assert_eq!(execution & 0xffff, 32_768);
        let job = ids.job_id().expect("reserved");
        assert_eq!(job >> 22, 1_795_304_647_187 - 1_795_304_388_644);
        assert_eq!((job >> 10) & 0xfff, 35);
    }

    #[test]
    fn event_keys_of_other_milliseconds_sort_by_them() {
        let clock = Arc::new(ManualClock::at(1_795_304_647_187));
        let ids = ids(&clock, 0);
        let first = [(); 3].map(|()| ids.event_key());
        clock.set(1_795_304_647_188);
        let later = [(); 3].map(|()| ids.event_key());
        assert!(first.iter().max() < later.iter().min(), "{first:?} {later:?}");
        let all = first.iter().chain(&later);
        assert_eq!(all.clone().collect::<HashSet<_>>().len(), 6);
        for key in all {
            let parsed = uuid::Uuid::try_parse(key).expect("a UUID");
            assert_eq!((parsed.get_version_num(), key.len()), (7, 36));
        }
    }

    #[test]
    fn ids_grow_and_never_repeat_when_the_clock_steps_back() {
        let clock = Arc::new(ManualClock::at(1_795_304_647_187));
        let ids = ids(&clock, 1_795_304_640_000);
        let mut seen = HashSet::new();
        let mut last = (0, 0);
        for step in [0, -60_000, 5, -3_600_000, 1_000] {
            clock.set(1_795_304_647_187 + step);
            for _ in 0..40_000 {
                let next = (ids.execution_id().expect("reserved"), ids.job_id().expect("reserved"));
                assert!(next.0 > last.0 && next.1 > last.1);
                assert!(seen.insert(next.0) && seen.insert(next.1));
                last = next;
            }
        }
    }

    #[test]
    fn ids_come_after_a_job_of_an_instance_whose_clock_is_ahead() {
        let clock = Arc::new(ManualClock::at(1_795_304_647_187));
        let other = ids(&clock, 1_795_304_667_000);
        let theirs = other.job_id().expect("reserved");
        let ids = ids(&clock, 0);
        assert!(ids.job_id().expect("reserved") < theirs);
        ids.pass_job(theirs);
        let ours = ids.job_id().expect("reserved");
        assert!(ours > theirs);
        ids.pass_job(theirs - (5 << 22));
        assert_eq!(ids.job_id().expect("reserved"), ours + 1);
    }

    #[test]
    fn a_successor_starts_after_what_has_been_used() {
        let clock = Arc::new(ManualClock::at(1_795_304_647_187));
        let first = ids(&clock, 0);
        let used = (first.execution_id().expect("reserved"), first.job_id().expect("reserved"));
        let second = ids(&clock, first.used_until());
        let next = (second.execution_id().expect("reserved"), second.job_id().expect("reserved"));
        assert!(next.0 > used.0 && next.1 > used.1, "{next:?} after {used:?}");
    }

    #[test]
    fn what_is_not_reserved_is_not_given_out() {
        let clock = Arc::new(ManualClock::at(1_795_304_647_187));
        let ids = Ids::new(clock.clone(), 0, 0, 0);
        assert_eq!(ids.execution_id(), Err(NoIdsLeft));
        ids.reserve(ids.next_reservation());
        assert!(ids.execution_id().is_ok());
        clock.set(1_795_304_647_187 + 60_000);
        assert_eq!(ids.job_id(), Err(NoIdsLeft));
    }

    #[test]
    fn a_reused_number_starts_after_what_its_last_holder_used() {
        let clock = Arc::new(ManualClock::at(1_000_000));
        let ids = ids(&clock, 2_000_000);
        assert_eq!(ids.job_id().expect("reserved") >> 22, 2_000_001 - 1_795_304_388_644);
    }
}
