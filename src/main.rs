//! Parses the arguments, calls the library, sets the exit code.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match sidehook::cli::run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("sidehook: {err:#}");
            ExitCode::FAILURE
        }
    }
}
