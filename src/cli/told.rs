//! How the error that ends a command is told: each cause once, and what a fault of the database means.

use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

use sea_orm::RuntimeErr;

use crate::store::fault::Fault;

/// How long a reader of standard error is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Prints why a command has failed. Where that cannot be written the exit code has to do.
pub(super) fn complain(err: &anyhow::Error) {
    let text = told(err);
    let (done, is_done) = mpsc::channel::<()>();
    let printing = std::thread::Builder::new().spawn(move || {
        let _ = writeln!(std::io::stderr(), "sidehook: {text}");
        drop(done);
    });
    if printing.is_ok() {
        let _ = is_done.recv_timeout(PATIENCE);
    }
}

/// An error with its causes in one line. Causes that repeat what has been said are left out.
fn told(err: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in err.chain().map(ToString::to_string) {
        if told.is_empty() {
            told = cause;
        } else if !told.contains(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    let driver = err.chain().find_map(|cause| match cause.downcast_ref::<RuntimeErr>() {
        Some(RuntimeErr::SqlxError(driver)) => Some(driver),
        _ => None,
    });
    match driver.and_then(|driver| Fault::of_driver(driver).explanation()) {
        Some(explanation) => format!("{told} ({explanation})"),
        None => told,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;
    use sea_orm::{DbErr, SqlxError};

    use super::*;

    #[test]
    fn causes_are_told_once() {
        let lost = DbErr::Query(RuntimeErr::SqlxError(SqlxError::PoolTimedOut.into()));
        let err = Err::<(), _>(lost).context("the workflows cannot be read").expect_err("an error");
        let text = told(&err);
        assert!(text.starts_with("the workflows cannot be read: "), "{text}");
        assert_eq!(text.matches("pool timed out").count(), 1, "{text}");
    }
}
