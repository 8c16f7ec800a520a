//! Forwards each request to another server, and its response back. Both bodies pass through unchanged.
//!
//! The environment variable `UPSTREAM` names the server. The component may call only servers that the command line
//! allows:
//!
//! ```text
//! cargo run -- serve examples/proxy --env UPSTREAM=http://127.0.0.1:8000 --allow-outbound http://127.0.0.1:8000
//! ```

use wayside::http::uri::{PathAndQuery, Uri};
use wayside::{Error, Request, Response, StatusCode, client, http_component};

#[http_component]
async fn handle(req: Request) -> Result<Response, Error> {
    let upstream = std::env::var("UPSTREAM")
        .map_err(|_| Error::new(StatusCode::SERVICE_UNAVAILABLE, "the environment variable UPSTREAM is not set"))?;
    forward(req, &upstream).await
}

async fn forward(mut req: Request, upstream: &str) -> Result<Response, Error> {
    *req.uri_mut() = target(req.uri().path_and_query(), upstream)?;
    Ok(client::send(req).await?)
}

/// Returns the URL at the upstream. `OPTIONS *` is about the whole server, so its `*` is not appended to the path of
/// the upstream.
fn target(path: Option<&PathAndQuery>, upstream: &str) -> Result<Uri, Error> {
    let path = path.map_or("/", PathAndQuery::as_str);
    if path != "*" {
        return Ok(Uri::try_from([upstream.trim_end_matches('/'), path].concat())?);
    }
    let mut parts = Uri::try_from(upstream)?.into_parts();
    parts.path_and_query = Some(PathAndQuery::from_static("*"));
    Ok(Uri::from_parts(parts)?)
}

#[cfg(test)]
mod tests {
    use wayside::http::uri::PathAndQuery;
    use wayside::{Request, test};

    use super::{forward, target};

    #[test]
    fn the_options_of_the_server_are_asked_of_the_upstream() {
        let asterisk = PathAndQuery::from_static("*");
        let url = target(Some(&asterisk), "http://upstream.example:8000/base").unwrap();
        assert_eq!((url.authority().unwrap().as_str(), url.path()), ("upstream.example:8000", "*"));
    }

    #[test]
    fn path_and_body_reach_the_upstream() {
        let _upstream = test::outbound(|request: Request| async move {
            assert_eq!(request.uri(), "http://upstream.example/path?q=1");
            format!("upstream got {}", request.into_body().text().await.unwrap())
        });
        let request = Request::post("http://front.example/path?q=1").body("hello".into()).unwrap();
        let text = test::block_on(async {
            let response = forward(request, "http://upstream.example/").await.unwrap();
            response.into_body().text().await.unwrap()
        });
        assert_eq!(text, "upstream got hello");
    }
}
