//! The signals of a process that serves, heard on the control thread.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::control::Control;

/// How much longer than it may take the end is waited for.
const MARGIN: Duration = Duration::from_secs(3);

/// What it takes at most to write a line of the log.
const LAST_LINE: Duration = Duration::from_millis(100);

/// How the process was told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// SIGTERM: whoever supervises the process wants it to end, and others to take over.
    Terminate,
    /// SIGINT, or the terminal is gone: nobody is to be waited for.
    Interrupt,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    first_user: Signal,
    second_user: Signal,
    is_on_terminal: bool,
}

/// Listens from now on; the receiver is told of the first signal to end. The second one ends the process at once,
/// and so does the time: `longest_end` is how long the end may take.
pub(super) fn listen(control: &Control, longest_end: Duration) -> anyhow::Result<oneshot::Receiver<Told>> {
    let mut signals = {
        let _inside = control.handle().enter();
        Signals::open().context("signals cannot be waited for")?
    };
    let (tell, told) = oneshot::channel();
    control.spawn(async move {
        let (first, number) = signals.next().await;
        tracing::info!("stopping");
        // Nobody listens when the process is about to end anyway.
        let _ = tell.send(first);
        tokio::select! {
            (_, second) = signals.next() => std::process::exit(128 + second),
            () = tokio::time::sleep(longest_end + MARGIN) => {
                tracing::error!("the end takes too long; what runs is left for the next start");
                // For whoever reads the log.
                tokio::time::sleep(LAST_LINE).await;
                std::process::exit(128 + number);
            }
        }
    });
    Ok(told)
}

impl Signals {
    fn open() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            first_user: signal(SignalKind::user_defined1())?,
            second_user: signal(SignalKind::user_defined2())?,
            is_on_terminal: std::io::stderr().is_terminal(),
        })
    }

    /// The next signal that means the end, and its number. Those by which programs are told to read their settings
    /// or open their logs again mean nothing here: there is nothing to read again.
    async fn next(&mut self) -> (Told, i32) {
        loop {
            let ignored = tokio::select! {
                _ = self.terminate.recv() => return (Told::Terminate, SignalKind::terminate().as_raw_value()),
                _ = self.interrupt.recv() => return (Told::Interrupt, SignalKind::interrupt().as_raw_value()),
                _ = self.hangup.recv() => match self.is_on_terminal {
                    true => return (Told::Interrupt, SignalKind::hangup().as_raw_value()),
                    false => "SIGHUP",
                },
                _ = self.first_user.recv() => "SIGUSR1",
                _ = self.second_user.recv() => "SIGUSR2",
            };
            tracing::info!(signal = ignored, "a signal means nothing here; restart to read settings again");
        }
    }
}
