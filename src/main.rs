//! Parses the arguments, calls the library, sets the exit code.

use std::process::ExitCode;

/// Gives memory back to the system that scripts and expressions have used, which glibc's allocator keeps. The C
/// code that is linked in uses it, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match sidehook::cli::run().await {
        Ok(()) => ExitCode::SUCCESS,
        // `sidehook nodes | head` is no failure.
        Err(err) if err.is::<sidehook::cli::ReaderGone>() => ExitCode::SUCCESS,
        Err(err) => {
            sidehook::cli::complain(&err);
            ExitCode::FAILURE
        }
    }
}
