//! Two instances under load: again and again one of them is killed, and the database is restarted twice. So is the queue in
//! front of it, where there is one.

use std::time::{Duration, Instant};

use rand::Rng;
use rand::seq::SliceRandom;

use super::load::Fleet;
use crate::databases::{Kind, Server};
use crate::queue::servers::{Kind as QueueKind, Servers};

/// So many requests are acknowledged on each database.
const REQUESTS: usize = 5_000;
/// How often an instance is killed, unless `SIDEHOOK_TEST_KILLS` says otherwise.
const KILLS: usize = 5;
const RESTARTS: usize = 2;

enum Trouble {
    Kill,
    Restart,
    KillQueue,
}

fn kills() -> usize {
    let set = std::env::var("SIDEHOOK_TEST_KILLS").ok();
    set.map_or(KILLS, |text| text.parse().expect("SIDEHOOK_TEST_KILLS is a number"))
}

/// All that happens, in any order; what comes first and last is a kill.
fn troubles(kills: usize, has_queue: bool) -> Vec<Trouble> {
    let mut troubles: Vec<_> = (0..kills.saturating_sub(2)).map(|_| Trouble::Kill).collect();
    troubles.extend((0..RESTARTS).map(|_| Trouble::Restart));
    if has_queue {
        troubles.extend((0..RESTARTS).map(|_| Trouble::KillQueue));
    }
    troubles.shuffle(&mut rand::rng());
    troubles.insert(0, Trouble::Kill);
    troubles.push(Trouble::Kill);
    troubles
}

async fn survives(kind: Kind, queue: Option<QueueKind>) {
    let mut front = match queue {
        None => None,
        Some(queue) => match Servers::start(queue, 1).await {
            Some(servers) => Some(servers),
            None => return,
        },
    };
    let Some(mut server) = Server::start(kind, false).await else { return };
    let database = server.create_database().await.expect("a database");
    let mut fleet = Fleet::start(&database, 2, front.as_ref()).await;
    let begun = Instant::now();
    let sending = fleet.send(REQUESTS);
    let troubles = troubles(kills(), front.is_some());
    let step = REQUESTS / (troubles.len() + 1);
    for (i, trouble) in troubles.iter().enumerate() {
        sending.load.reaches((i + 1) * step).await;
        let pause = Duration::from_millis(rand::rng().random_range(0..100));
        tokio::time::sleep(pause).await;
        match trouble {
            Trouble::Kill => {
                let place = rand::rng().random_range(0..fleet.instances.len());
                fleet.kill(place).await;
            }
            Trouble::Restart => {
                server.stop().await.expect("the database stops");
                server.start_again().await.expect("the database starts");
            }
            Trouble::KillQueue => {
                let front = front.as_mut().expect("a queue");
                front.kill(0).await;
                front.start_again(0).await;
            }
        }
    }
    let acknowledged = sending.ended().await;
    let executions = fleet.check(&acknowledged).await;
    fleet.stop().await;
    let (repeats, seconds) = (fleet.receiver.repeats().len(), begun.elapsed().as_secs());
    println!(
        "{kind}, {queue:?}: {} acknowledged, {executions} executions, {} kills, {RESTARTS} restarts, {repeats} requests sent \
         again, {seconds} s",
        acknowledged.len(),
        kills(),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_instances_are_killed_and_the_database_restarts() {
    tokio::join!(survives(Kind::Postgres, None), survives(Kind::Mysql, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_with_a_queue_in_front_of_the_database() {
    let behind = |queue| survives(Kind::Postgres, Some(queue));
    tokio::join!(behind(QueueKind::Nats), behind(QueueKind::Redis));
}
