//! Calls `UPSTREAM` with a client whose time limit, in milliseconds, is in the path. The limit applies to the whole
//! exchange, or only to the connection with `?connect`, to the first byte with `?first`, and to pauses with `?pause`.

use std::time::Duration;

use wayside::Request;
use wayside::client::Client;

pub(crate) async fn handle(request: Request) -> String {
    let upstream = std::env::var("UPSTREAM").unwrap_or_default();
    let limit = Duration::from_millis(super::parameter(&request).parse().unwrap_or(0));
    let client = match request.uri().query() {
        Some("connect") => Client::builder().no_timeout().connect_timeout(limit).build(),
        Some("pause") => Client::builder().no_timeout().between_bytes_timeout(limit).build(),
        Some("first") => Client::builder().no_timeout().first_byte_timeout(limit).build(),
        _ => Client::builder().timeout(limit).build(),
    };
    match client.get(upstream).send().await {
        Ok(response) => match response.into_body().bytes().await {
            Ok(bytes) => format!("{} bytes\n", bytes.len()),
            Err(error) => format!("body: timeout={} incomplete={}: {error}\n", error.is_timeout(), error.is_incomplete()),
        },
        Err(error) => {
            format!("head: timeout={} redirect={}: {error}\n", error.is_timeout(), error.is_redirect())
        }
    }
}
