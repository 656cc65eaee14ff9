//! Lines of the log on their way out. They wait in a bounded queue for a thread of their own, so that nobody who logs
//! waits for a reader: what finds the queue full is left out and counted.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many bytes may wait. Some 10,000 lines, which is seconds of a busy log and not much memory.
const CAPACITY: usize = 4 << 20;

/// How long the end of the process waits for what has not been written.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Takes lines, each in one write. Never fails, never waits.
#[derive(Clone)]
pub(super) struct Queue(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    /// Of all lines that wait.
    bytes: usize,
    /// Lines since that was last said.
    left_out: u64,
    /// A line has been taken and not been written yet.
    is_writing: bool,
}

/// When this is dropped, at the end of the process, what waits is still written, unless that takes long.
pub struct Log(Queue);

impl Queue {
    /// Starts the thread, which writes to `sink`. One that cannot be written is written to all the same: its disk may
    /// have space again.
    pub(super) fn start(mut sink: impl Write + Send + 'static) -> io::Result<(Self, Log)> {
        let queue = Self(Arc::default());
        let lines = queue.clone();
        std::thread::Builder::new().name("log".to_owned()).spawn(move || {
            loop {
                let line = lines.next();
                let _ = sink.write_all(&line);
                if let Some(left_out) = lines.written() {
                    // Comes back as a line of its own.
                    tracing::warn!(lines = left_out, "the log is not read fast enough, lines were left out");
                }
            }
        })?;
        Ok((queue.clone(), Log(queue)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Vec<u8> {
        let mut state = self.state();
        loop {
            if let Some(line) = state.lines.pop_front() {
                state.bytes -= line.len();
                state.is_writing = true;
                return line;
            }
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Notes that the line has been written. Says how many were left out, once there is space to say it.
    fn written(&self) -> Option<u64> {
        let mut state = self.state();
        state.is_writing = false;
        self.0.changed.notify_all();
        (state.left_out > 0 && state.bytes < CAPACITY / 2).then(|| std::mem::take(&mut state.left_out))
    }
}

impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.state();
        if state.bytes + line.len() > CAPACITY {
            state.left_out += 1;
        } else {
            state.bytes += line.len();
            state.lines.push_back(line.to_vec());
            self.0.changed.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let deadline = Instant::now() + LAST_WAIT;
        let mut state = self.0.state();
        while !state.lines.is_empty() || state.is_writing {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.0.0.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Writes a line whenever it is let.
    struct Slow {
        let_in: Receiver<()>,
        written: Sender<Vec<u8>>,
    }

    impl Write for Slow {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.let_in.recv().map_err(|_| io::Error::other("never again"))?;
            let _ = self.written.send(line.to_vec());
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (Queue, Log, Sender<()>, Receiver<Vec<u8>>) {
        let ((letting, let_in), (written, lines)) = (channel(), channel());
        let (queue, log) = Queue::start(Slow { let_in, written }).expect("a thread");
        (queue, log, letting, lines)
    }

    #[test]
    fn nobody_waits_for_a_reader_and_what_is_too_much_is_counted() {
        let (mut queue, _log, letting, lines) = slow();
        let line = vec![b'x'; 1 << 20];
        for _ in 0..10 {
            queue.write_all(&line).expect("it takes everything");
        }
        let waiting = queue.state().lines.len();
        let left_out = queue.state().left_out;
        assert!(waiting <= 4, "{waiting} MB wait");
        assert!(left_out >= 5, "{left_out} lines were left out");
        for _ in 0..4 {
            letting.send(()).expect("it writes");
            assert_eq!(lines.recv().expect("a line").len(), line.len());
        }
        while queue.state().left_out > 0 {
            std::thread::yield_now();
        }
        queue.write_all(b"later\n").expect("it takes everything");
        assert_eq!(queue.state().left_out, 0);
    }

    #[test]
    fn the_end_waits_for_what_can_be_written_and_no_longer() {
        let (mut queue, log, letting, lines) = slow();
        queue.write_all(b"last\n").expect("it takes everything");
        letting.send(()).expect("it writes");
        drop(log);
        assert_eq!(lines.try_recv().expect("it has been written"), b"last\n");
        let (mut queue, log, _letting, _lines) = slow();
        queue.write_all(b"never\n").expect("it takes everything");
        let started = Instant::now();
        drop(log);
        assert!(started.elapsed() < 10 * LAST_WAIT);
    }
}
