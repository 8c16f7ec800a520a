//! Calls `UPSTREAM` sequentially, as often as the path says, and reports each result.

use wayside::{Request, client};

pub(crate) async fn handle(request: Request) -> String {
    let upstream = std::env::var("UPSTREAM").unwrap_or_default();
    let mut all = String::new();
    for _ in 0..super::parameter(&request).parse().unwrap_or(0) {
        let text = match client::get(&upstream).await {
            Ok(response) => response.into_body().text().await.unwrap_or_else(|error| error.to_string()),
            Err(error) => error.to_string(),
        };
        all.push_str(&text);
        all.push('\n');
    }
    all
}
