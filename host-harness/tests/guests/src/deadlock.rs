//! Waits for an event that never happens.

use std::future::pending;

use wayside::Request;

pub(crate) async fn handle(_: Request) -> String {
    pending().await
}
