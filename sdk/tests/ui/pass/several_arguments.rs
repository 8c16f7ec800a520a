//! Any number of arguments that read the head, and a last one that may read the body.

use wayside::http::request::Parts;
use wayside::middleware::Next;
use wayside::{Body, Bytes, Error, FromRequestParts, HeaderMap, IncomingRequest, Json, Method, Request, Response, Uri};

struct Key;

impl FromRequestParts for Key {
    type Rejection = Error;

    async fn from_request_parts(_: &mut IncomingRequest) -> Result<Self, Error> {
        Ok(Key)
    }
}

mod heads_alone {
    use super::*;

    #[wayside::http_component]
    fn handle(method: Method, uri: Uri) -> String {
        format!("{method} {uri}")
    }
}

mod with_bodies {
    use super::*;

    #[wayside::http_component]
    async fn json(_: Key, headers: HeaderMap, Json(numbers): Json<Vec<u8>>) -> Result<Json<usize>, Error> {
        Ok(Json(headers.len() + numbers.len()))
    }

    #[wayside::http_component]
    fn request(_: Key, request: Request) -> Response {
        Response::new(request.into_body())
    }

    #[wayside::http_component]
    async fn incoming(_: Parts, _: Method, request: IncomingRequest) -> Body {
        request.into_body()
    }

    #[wayside::http_component]
    fn with_parts_and_body(_: Key, request: Request<Json<u8>>) -> String {
        request.body().0.to_string()
    }

    #[wayside::http_component]
    fn eight(_: Key, _: Key, _: Key, _: (), _: Method, _: Uri, _: HeaderMap, body: Bytes) -> Bytes {
        body
    }

    #[wayside::http_component]
    fn opaque(_: Key, body: String) -> impl wayside::IntoResponse {
        body
    }
}

mod before_middleware {
    use super::*;

    #[wayside::http_middleware]
    async fn guard(_: Key, _: Method, request: Request, next: Next) -> Response {
        next.run(request).await
    }
}

fn main() {}
