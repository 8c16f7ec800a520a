//! Calls `UPSTREAM` concurrently, as often as the path says.

use futures_util::future::try_join_all;
use wayside::{Error, Request, client};

pub(crate) async fn handle(request: Request) -> Result<String, Error> {
    let upstream = std::env::var("UPSTREAM")?;
    let calls: usize = super::parameter(&request).parse()?;
    let answers = try_join_all((0..calls).map(|_| client::get(upstream.as_str()))).await?;
    Ok(format!("{} answers\n", answers.len()))
}
