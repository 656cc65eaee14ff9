//! A thread with a runtime of its own, for what nothing in a request may hold up: signals, accepting connections,
//! health, signs of life. What runs here never computes for long.

use std::io;

use tokio::runtime::{Builder, Handle};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The thread. When this is dropped, it ends with all that runs there.
#[derive(Debug)]
pub struct Control {
    handle: Handle,
    _stop: DropGuard,
}

impl Control {
    /// Starts the thread. An error when the system has none left.
    pub fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        std::thread::Builder::new().name("control".to_owned()).spawn(move || runtime.block_on(stopped))?;
        Ok(Self { handle, _stop: stop.drop_guard() })
    }

    /// Runs a task there. Sockets and database connections that it opens are served by that thread, too; those that
    /// were opened elsewhere stand still while their own threads are busy.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.handle.spawn(task)
    }

    /// For those that keep tasks of their own there.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn it_goes_on_while_the_other_threads_are_busy() {
        let control = Control::start().expect("a thread");
        let (sender, receiver) = std::sync::mpsc::channel();
        let ticking = control.spawn(async move {
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_millis(5)).await;
                sender.send(()).expect("somebody waits");
            }
        });
        // This blocks the only thread of the test's runtime.
        (0..3).for_each(|_| receiver.recv().expect("it ticks"));
        ticking.await.expect("no panic");
    }

    #[tokio::test]
    async fn its_tasks_end_with_it() {
        let control = Control::start().expect("a thread");
        let endless = control.spawn(std::future::pending::<()>());
        drop(control);
        assert!(endless.await.expect_err("it does not end by itself").is_cancelled());
    }
}
