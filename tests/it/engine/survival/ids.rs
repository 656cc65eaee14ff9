//! Ids and the clock.

use std::collections::HashSet;
use std::sync::Arc;

use entity::Table;
use sidehook::clock::{Clock, ManualClock, SystemClock};
use sidehook::ids::Ids;
use sidehook::store::Store;
use sidehook::store::instance::Registration;

use crate::rows::Rows;
use crate::server::{on_every_database, prepare};

/// More than a second has sequence numbers for.
const IDS: usize = 40_000;

/// Ids of an instance, reserved in the database as heartbeats do it.
async fn register(store: &Store, clock: &Arc<ManualClock>) -> (Registration, Ids) {
    let registration = store.register_instance("token").await.expect("a free number");
    assert_eq!(registration.owner.number, 0);
    let ids = Ids::new(clock.clone(), 0, 1_795_304_388_644, registration.ids_used_until);
    beat(store, &registration, &ids).await;
    (registration, ids)
}

async fn beat(store: &Store, registration: &Registration, ids: &Ids) {
    let until = ids.next_reservation();
    store.heartbeat(registration.owner, until).await.expect("the number is still ours");
    ids.reserve(until);
}

fn take(ids: &Ids, taken: &mut HashSet<i64>) {
    for _ in 0..IDS {
        assert!(taken.insert(ids.execution_id().expect("an id")), "an execution id came again");
        assert!(taken.insert(ids.job_id().expect("an id")), "a job id came again");
    }
}

/// With the same number all the time: all others are in use.
#[tokio::test]
async fn no_id_comes_again_when_the_clock_steps_back() {
    on_every_database(async |database| {
        let rows = Rows { store: prepare(&database, &[]).await };
        let now = SystemClock.now().timestamp_millis();
        let instances = rows.table(Table::Instances);
        for number in 1..32 {
            let values = format!("({number}, 1, 'other', {}, 0)", now + 3_600_000);
            rows.execute(&format!("INSERT INTO {instances} VALUES {values}")).await;
        }
        let clock = Arc::new(ManualClock::at(now));
        let mut taken = HashSet::new();
        for is_killed in [false, true, true] {
            let (registration, ids) = register(&rows.store, &clock).await;
            take(&ids, &mut taken);
            clock.set(clock.now().timestamp_millis() - 60_000);
            take(&ids, &mut taken);
            beat(&rows.store, &registration, &ids).await;
            take(&ids, &mut taken);
            if is_killed {
                rows.execute(&format!("UPDATE {instances} SET heartbeat_at = 1 WHERE id = 0")).await;
            } else {
                let used = Some(ids.used_until());
                rows.store.release_instance(registration.owner, used).await.expect("it is given back");
            }
        }
    })
    .await;
}
