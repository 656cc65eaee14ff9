//! Whether the time of a comparison of secrets tells how much of one was right: 100,000 comparisons with a value that
//! differs in its first byte and as many with one that differs in its last, in turn, and Welch's t of the two. Below about
//! 4.5 nothing is told at this number (the threshold of TVLA). Beside it a comparison that stops at the first difference.

use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use sidehook::webhook::admission::is_one_of;

const ROUNDS: usize = 100_000;
/// How many comparisons are timed together: a clock has no finer ticks.
const BATCH: usize = 4;
/// The slowest part of the measurements is left out: interrupts, not comparisons.
const KEPT: f64 = 0.95;
/// Long enough that the comparison beside it shows.
const LENGTH: usize = 256;

fn main() -> std::io::Result<()> {
    let secret = vec![b'k'; LENGTH];
    let (mut early, mut late) = (secret.clone(), secret.clone());
    early[0] = b'x';
    late[LENGTH - 1] = b'x';
    let mut out = std::io::stdout();
    let values = [secret.as_slice()];
    let constant = |given: &[u8]| is_one_of(given, &values);
    writeln!(out, "sidehook:       {}", told(&measure(constant, &early, &late)))?;
    let naive = |given: &[u8]| given.iter().zip(&secret).all(|(one, other)| one == other);
    writeln!(out, "stops early:    {}", told(&measure(naive, &early, &late)))
}

/// The times in nanoseconds, early and late mismatches in turn so that both see the same machine.
fn measure(compare: impl Fn(&[u8]) -> bool, early: &[u8], late: &[u8]) -> [Vec<f64>; 2] {
    let mut times = [Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS)];
    for round in 0..2 * ROUNDS {
        // Not in strict turn: who is first of a pair alternates.
        let which = (round ^ (round >> 1)) & 1;
        let given = if which == 0 { early } else { late };
        let started = Instant::now();
        for _ in 0..BATCH {
            black_box(compare(black_box(given)));
        }
        times[which].push(started.elapsed().as_nanos() as f64 / BATCH as f64);
    }
    times
}

fn told([early, late]: &[Vec<f64>; 2]) -> String {
    let (early, late) = (Moments::of(early), Moments::of(late));
    let t = (early.mean - late.mean) / (early.variance / early.count + late.variance / late.count).sqrt();
    format!(
        "{:.1} ns for an early mismatch, {:.1} ns for a late one, difference {:+.2} ns, t = {t:+.2}",
        early.mean,
        late.mean,
        late.mean - early.mean
    )
}

struct Moments {
    count: f64,
    mean: f64,
    variance: f64,
}

impl Moments {
    fn of(times: &[f64]) -> Self {
        let mut times = times.to_vec();
        times.sort_by(f64::total_cmp);
        times.truncate((times.len() as f64 * KEPT) as usize);
        let count = times.len() as f64;
        let mean = times.iter().sum::<f64>() / count;
        let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        Self { count, mean, variance }
    }
}
