//! JSON in requests and responses.

use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::payload::{if_typed, read_whole};
use crate::respond::collect;
use crate::sys::Responder;
use crate::sys::http::media_type::media_type;
use crate::{Body, Error, FromRequest, IncomingRequest, IntoResponse, Request, Response};

/// A JSON document. As an argument of a handler, it is read from the request body; as a result of a handler, it becomes
/// the response body. Needs the feature `json`.
///
/// As an argument it requires the media type `application/json` or `application/*+json`. It rejects any other media
/// type with 415, invalid JSON with 400, JSON that does not match `T` with 422, and a body longer than the body limit
/// ([`BODY_LIMIT`](super::BODY_LIMIT) by default) with 413.
///
/// # Examples
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use wayside::{Json, http_component};
///
/// #[derive(Deserialize)]
/// struct Numbers(Vec<i64>);
///
/// #[derive(Serialize)]
/// struct Sum { sum: i64 }
///
/// #[http_component]
/// fn handle(Json(Numbers(numbers)): Json<Numbers>) -> Json<Sum> {
///     Json(Sum { sum: numbers.iter().sum() })
/// }
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Json<T> {
    type Rejection = Error;

    async fn from_request(request: IncomingRequest) -> Result<Self, Error> {
        check_media_type(&request.headers()?)?;
        let limit = request.body_limit();
        parse(request.into_body(), limit).await
    }

    async fn from_request_optional(request: IncomingRequest) -> Result<Option<Self>, Error> {
        if_typed(request).await
    }
}

impl<T: DeserializeOwned> FromRequest for Request<Json<T>> {
    type Rejection = Error;

    async fn from_request(request: IncomingRequest) -> Result<Self, Error> {
        let limit = request.body_limit();
        let (parts, body) = request.into_request()?.into_parts();
        check_media_type(&parts.headers)?;
        Ok(Self::from_parts(parts, parse(body, limit).await?))
    }
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Error> {
    if is_json(headers) {
        return Ok(());
    }
    let detail = "the request body must have the content-type application/json";
    Err(Error::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}

async fn parse<T: DeserializeOwned>(body: Body, limit: u64) -> Result<Json<T>, Error> {
    serde_json::from_slice(&read_whole(body, limit).await?).map(Json).map_err(rejection)
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        collect(self)
    }

    fn respond<R: Responder<Body>>(self, responder: R) -> R::Sent {
        match serde_json::to_vec(&self.0) {
            Ok(json) => responder.bytes(StatusCode::OK, Some("application/json"), json.into()),
            Err(error) => Error::from(error).respond(responder),
        }
    }
}

/// Whether the `content-type` is JSON: `application/json`, or an `application` type with the suffix `+json` (RFC 6839,
/// section 3.1).
fn is_json(headers: &HeaderMap) -> bool {
    let media_type = media_type(headers);
    media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

fn rejection(error: serde_json::Error) -> Error {
    let status = if error.is_data() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::BAD_REQUEST };
    // The client may see serde's message, because it describes the document that the client sent.
    Error::new(status, format!("the request body is not the expected JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    fn accepts(content_type: &str) -> bool {
        is_json(&[(header::CONTENT_TYPE, content_type.parse().unwrap())].into_iter().collect())
    }

    #[test]
    fn media_types_of_json_are_accepted() {
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/problem+json"] {
            assert!(accepts(good), "{good}");
        }
    }

    #[test]
    fn other_media_types_are_refused() {
        for bad in ["text/plain", "application/jsonp", "text/html+json", "json", ""] {
            assert!(!accepts(bad), "{bad}");
        }
    }

    #[test]
    fn wrong_shape_is_422_and_wrong_syntax_400() {
        let of = |json: &str| rejection(serde_json::from_str::<u8>(json).unwrap_err()).status();
        assert_eq!(of("\"text\""), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(of("]"), StatusCode::BAD_REQUEST);
    }
}
