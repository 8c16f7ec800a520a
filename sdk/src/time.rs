//! Waiting for time to pass.

use std::time::Duration;

use crate::sys::{Here, World};

/// Waits for a span of time, measured by the host's monotonic clock.
///
/// Other futures of the same request go on meanwhile, which `std::thread::sleep` would not let them.
///
/// # Examples
///
/// ```
/// # wayside::test::block_on(async {
/// wayside::time::sleep(std::time::Duration::from_millis(5)).await;
/// # });
/// ```
pub async fn sleep(span: Duration) {
    Here::sleep(span).await;
}
