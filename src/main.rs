//! Sets what is set for the whole process, and calls the library.

use std::process::ExitCode;

/// Gives memory back to the system that scripts and expressions have used, which glibc's allocator keeps. The C
/// code that is linked in uses it, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    use_small_pages();
    sidehook::cli::main()
}

/// The allocator asks for pages of 2 MB, of which a few bytes keep all in memory: 42 MB at rest instead of 10, and
/// nothing that is measurably faster (`benches/rest`, `benches/throughput`). Where Linux refuses that, it stays so.
fn use_small_pages() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}
