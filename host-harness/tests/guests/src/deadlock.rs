//! Waits for something that nobody will ever do.

use std::future::pending;

use wayside::Request;

pub(crate) async fn handle(_: Request) -> String {
    pending().await
}
