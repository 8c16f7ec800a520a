//! Calls the next handler twice and concatenates the responses. If the path starts with `/in-turn`, the calls follow
//! each other: the second request gets the body of the first response.

use futures_util::join;
use wayside::http::header::CONTENT_LENGTH;
use wayside::middleware::Next;
use wayside::{Body, Error, IntoResponse, Request, Response, http_middleware};

#[http_middleware]
async fn twice(req: Request, next: Next) -> Result<Response, Error> {
    let (mut parts, body) = req.into_parts();
    if parts.uri.path().starts_with("/in-turn") {
        let first = next.run(Request::from_parts(parts.clone(), body)).await;
        parts.headers.remove(CONTENT_LENGTH);
        return Ok(next.run(Request::from_parts(parts, first.into_body())).await);
    }
    let other = Request::from_parts(parts.clone(), Body::empty());
    let (first, second) = join!(text(&next, Request::from_parts(parts, body)), text(&next, other));
    Ok([first?, second?].concat().into_response())
}

async fn text(next: &Next, request: Request) -> Result<String, Error> {
    let text = next.run(request).await.into_body().text().await?;
    eprintln!("one of two");
    Ok(text)
}
