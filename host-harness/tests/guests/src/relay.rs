//! Relays the server-sent events of `UPSTREAM`.

use futures_util::TryStreamExt as _;
use wayside::client::Client;
use wayside::sse::{Event, Sse};
use wayside::{Error, IntoResponse as _, Request, Response};

pub(crate) async fn handle(_: Request) -> Result<Response, Error> {
    let upstream = std::env::var("UPSTREAM").unwrap_or_default();
    let response = Client::builder().no_timeout().build().get(upstream).send().await?;
    Ok(Sse::with_keep_alive(response.into_body().events().map_ok(Event::from), None, Event::empty()).into_response())
}
