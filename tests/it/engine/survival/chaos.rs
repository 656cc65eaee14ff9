//! Two instances under load: again and again one of them is killed, and the database is restarted twice.

use std::time::{Duration, Instant};

use rand::Rng;
use rand::seq::SliceRandom;

use super::load::Fleet;
use crate::databases::{Kind, Server};

/// So many requests are acknowledged on each database.
const REQUESTS: usize = 5_000;
/// How often an instance is killed, unless `SIDEHOOK_TEST_KILLS` says otherwise.
const KILLS: usize = 5;
const RESTARTS: usize = 2;

enum Trouble {
    Kill,
    Restart,
}

fn kills() -> usize {
    let set = std::env::var("SIDEHOOK_TEST_KILLS").ok();
    set.map_or(KILLS, |text| text.parse().expect("SIDEHOOK_TEST_KILLS is a number"))
}

/// All that happens, in any order; what comes first and last is a kill.
fn troubles(kills: usize) -> Vec<Trouble> {
    let mut troubles: Vec<_> = (0..kills.saturating_sub(2)).map(|_| Trouble::Kill).collect();
    troubles.extend((0..RESTARTS).map(|_| Trouble::Restart));
    troubles.shuffle(&mut rand::rng());
    troubles.insert(0, Trouble::Kill);
    troubles.push(Trouble::Kill);
    troubles
}

async fn survives(kind: Kind) {
    let Some(mut server) = Server::start(kind, false).await else { return };
    let database = server.create_database().await.expect("a database");
    let mut fleet = Fleet::start(&database, 2).await;
    let begun = Instant::now();
    let sending = fleet.send(REQUESTS);
    let troubles = troubles(kills());
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
        }
    }
    let acknowledged = sending.ended().await;
    let executions = fleet.check(&acknowledged).await;
    fleet.stop().await;
    let (repeats, seconds) = (fleet.receiver.repeats().len(), begun.elapsed().as_secs());
    println!(
        "{kind}: {} acknowledged, {executions} executions, {} kills, {RESTARTS} restarts, {repeats} requests sent \
         again, {seconds} s",
        acknowledged.len(),
        kills(),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_instances_are_killed_and_the_database_restarts() {
    tokio::join!(survives(Kind::Postgres), survives(Kind::Mysql));
}
