//! Middleware that changes everything: the path, the headers, and both bodies, piece by piece.
//!
//! ```text
//! cargo run -- request examples/echo /loud/echo --middleware examples/rewrite -d hello
//! ```

use http_body_util::BodyExt as _;
use wayside::http::header::CONTENT_LENGTH;
use wayside::http::uri::{PathAndQuery, Uri};
use wayside::middleware::Next;
use wayside::{Body, Bytes, Error, HeaderValue, Request, Response, http_middleware};

#[http_middleware]
async fn rewrite(mut req: Request, next: Next) -> Result<Response, Error> {
    *req.uri_mut() = without_prefix(req.uri())?;
    // Escaping makes non-ASCII bytes longer, so the length is unknown in advance.
    req.headers_mut().remove(CONTENT_LENGTH);
    let mut response = next.run(req.map(escaped)).await;
    response.headers_mut().insert("x-rewritten", HeaderValue::from_static("yes"));
    Ok(response.map(loud))
}

/// Turns `/loud/path` into `/path`.
fn without_prefix(uri: &Uri) -> Result<Uri, Error> {
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let path = path.strip_prefix("/loud").filter(|rest| rest.starts_with('/')).unwrap_or(path);
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path.parse()?);
    Ok(Uri::from_parts(parts)?)
}

fn escaped(body: Body) -> Body {
    map(body, |bytes| if bytes.is_ascii() { bytes } else { bytes.escape_ascii().to_string().into() })
}

fn loud(body: Body) -> Body {
    map(body, |bytes| bytes.to_ascii_uppercase().into())
}

/// Changes each piece of a body as it passes; trailers stay.
fn map(body: Body, change: impl Fn(Bytes) -> Bytes + Send + 'static) -> Body {
    Body::from_http_body(body.map_frame(move |frame| frame.map_data(&change)))
}

#[cfg(test)]
mod tests {
    use wayside::middleware::Next;
    use wayside::{Request, test};

    #[test]
    fn path_fields_and_bodies_change() {
        let next = Next::from_fn(async |req: Request| {
            assert_eq!(req.uri(), "http://example.org/echo?q=1");
            req.into_body()
        });
        let request = Request::post("http://example.org/loud/echo?q=1").body("caf\u{e9}".into()).unwrap();
        let text = test::block_on(async {
            let response = super::rewrite(request, next).await.unwrap();
            assert_eq!(response.headers()["x-rewritten"], "yes");
            response.into_body().text().await.unwrap()
        });
        assert_eq!(text, r"CAF\XC3\XA9");
    }
}
