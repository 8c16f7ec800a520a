//! Sends `OPTIONS *` to `UPSTREAM` (RFC 9112, section 3.2.4).

use wayside::http::uri::PathAndQuery;
use wayside::{Error, Method, Request, Uri, client};

pub(crate) async fn handle(_: Request) -> Result<String, Error> {
    let mut parts = std::env::var("UPSTREAM")?.parse::<Uri>()?.into_parts();
    parts.path_and_query = Some(PathAndQuery::from_static("*"));
    let mut request = Request::new("");
    *request.method_mut() = Method::OPTIONS;
    *request.uri_mut() = Uri::from_parts(parts)?;
    Ok(format!("status {}\n", client::send(request).await?.status().as_u16()))
}
