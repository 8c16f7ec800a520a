//! Responds at once, and calls `UPSTREAM` in background work that the host waits for.

use wayside::{Request, client, wait_until};

pub(crate) async fn handle(_: Request) -> &'static str {
    wait_until(async {
        let upstream = std::env::var("UPSTREAM").unwrap_or_default();
        match client::get(upstream).await {
            Ok(_) => eprintln!("the work was done"),
            Err(error) => eprintln!("the work failed: {error}"),
        }
    });
    "answered\n"
}
