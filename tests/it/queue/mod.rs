//! Queues in front of the database, with real servers: what goes in comes out once, in its order, whoever is away or is
//! killed meanwhile. `SIDEHOOK_TEST_QUEUE_EVENTS` and `SIDEHOOK_TEST_QUEUE_AWAY` (seconds) make the tests long.

mod burst;
mod flow;
mod poison;
mod redis;
pub mod servers;
mod trouble;
pub mod world;
