//! Waiting for something to come true. A test waits as long as a slow machine may need; one that fails takes as long.

use std::time::{Duration, Instant};

/// How long a test waits for what has to come. It bounds a failure and measures nothing.
pub const TIMEOUT: Duration = Duration::from_mins(3);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `is_so`; fails with what `otherwise` says when it does not come true within [`TIMEOUT`].
pub async fn until(mut is_so: impl AsyncFnMut() -> bool, otherwise: impl Fn() -> String) {
    let deadline = Instant::now() + TIMEOUT;
    while !is_so().await {
        assert!(Instant::now() < deadline, "{}", otherwise());
        tokio::time::sleep(PAUSE).await;
    }
}
