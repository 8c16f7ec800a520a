//! Tests of handlers with several arguments, of optional arguments, and of rejections.

use std::cell::Cell;
use std::convert::Infallible;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, StatusCode};

use crate::component::{answer, answer_part};
use crate::test::{block_on, incoming};
use crate::{Body, Error, FromRequest, FromRequestParts, IncomingRequest, IntoResponse, Request};

fn request(content_type: Option<&'static str>, body: impl Into<Body>) -> IncomingRequest {
    let mut request = Request::post("http://a.test/x").body(body.into()).unwrap();
    if let Some(content_type) = content_type {
        request.headers_mut().insert(CONTENT_TYPE, content_type.parse().unwrap());
    }
    incoming(request)
}

thread_local! {
    /// Whether the body from [`watched_body`] has been polled.
    static IS_READ: Cell<bool> = const { Cell::new(false) };
}

/// Returns an empty body that sets `IS_READ` when it is polled.
fn watched_body() -> Body {
    IS_READ.set(false);
    Body::from_stream(futures_util::stream::poll_fn(|_| {
        IS_READ.set(true);
        std::task::Poll::Ready(None::<Result<&'static str, Infallible>>)
    }))
}

struct Key;

impl FromRequestParts for Key {
    type Rejection = Error;

    async fn from_request_parts(request: &mut IncomingRequest) -> Result<Self, Error> {
        match request.headers()?.get("x-key") {
            Some(_) => Ok(Self),
            None => Err(Error::from_status(StatusCode::UNAUTHORIZED)),
        }
    }
}

/// The value of the header `x-key`. As an `Option`, it is `None` without that header.
#[derive(Debug, PartialEq)]
struct OptionalKey(String);

impl FromRequestParts for OptionalKey {
    type Rejection = Error;

    async fn from_request_parts(request: &mut IncomingRequest) -> Result<Self, Error> {
        let key = Self::from_request_parts_optional(request).await?;
        key.ok_or_else(|| Error::from_status(StatusCode::UNAUTHORIZED))
    }

    async fn from_request_parts_optional(request: &mut IncomingRequest) -> Result<Option<Self>, Error> {
        match request.headers()?.get("x-key").map(|key| key.to_str()) {
            None => Ok(None),
            Some(Ok(key)) => Ok(Some(Self(key.to_owned()))),
            Some(Err(_)) => Err(Error::from_status(StatusCode::BAD_REQUEST)),
        }
    }
}

fn status(response: impl IntoResponse) -> StatusCode {
    response.into_response().status()
}

#[test]
fn arguments_are_extracted_in_order_and_the_last_reads_the_body() {
    let handled = block_on(answer_part::<Method, _, _, _>(request(Some("text/plain"), "text"), |method, request| {
        answer_part::<HeaderMap, _, _, _>(request, move |headers, request| {
            answer::<String, _, _, _>(request, move |body| async move { format!("{method} {} {body}", headers.len()) })
        })
    }));
    assert_eq!(handled.unwrap(), "POST 1 text");
}

#[test]
fn a_rejected_argument_leaves_the_body_unread() {
    let handled = block_on(answer_part::<Key, _, _, _>(request(None, watched_body()), |_, request| {
        answer::<String, _, _, _>(request, |_| async { "handled" })
    }));
    assert_eq!(status(handled), StatusCode::UNAUTHORIZED);
    assert!(!IS_READ.get());
}

#[test]
fn the_rejection_of_the_last_argument_is_the_response() {
    let handled = block_on(answer_part::<Method, _, _, _>(request(None, vec![0xff]), |_, request| {
        answer::<String, _, _, _>(request, |_| async { "handled" })
    }));
    assert_eq!(status(handled), StatusCode::BAD_REQUEST);
}

#[test]
fn a_result_gives_the_rejection_to_the_handler() {
    let mut head = request(None, "");
    let key = block_on(Result::<Key, Error>::from_request_parts(&mut head)).unwrap();
    assert_eq!(key.err().unwrap().status(), StatusCode::UNAUTHORIZED);
    let text = block_on(Result::<String, Error>::from_request(request(None, vec![0xff]))).unwrap();
    assert_eq!(text.unwrap_err().status(), StatusCode::BAD_REQUEST);
}

#[test]
fn an_option_tells_an_absent_value_from_a_wrong_one() {
    let key = |value: Option<&'static [u8]>| {
        let mut builder = Request::get("http://a.test/");
        if let Some(value) = value {
            builder = builder.header("x-key", value);
        }
        let mut request = incoming(builder.body(Body::empty()).unwrap());
        block_on(Option::<OptionalKey>::from_request_parts(&mut request)).map_err(|error| error.status())
    };
    assert_eq!(key(None), Ok(None));
    assert_eq!(key(Some(b"1")), Ok(Some(OptionalKey("1".to_owned()))));
    assert_eq!(key(Some(b"\xff")), Err(StatusCode::BAD_REQUEST));
}

#[test]
fn without_a_way_to_be_absent_an_option_rejects() {
    let mut head = request(None, "");
    let error = block_on(Option::<Key>::from_request_parts(&mut head)).err().unwrap();
    assert_eq!(error.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(block_on(Option::<String>::from_request(request(None, ""))).unwrap(), Some(String::new()));
}

#[cfg(feature = "json")]
mod json {
    use super::*;
    use crate::Json;

    const JSON: Option<&str> = Some("application/json");

    #[test]
    fn a_request_of_json_keeps_its_head() {
        let request = block_on(Request::<Json<Vec<u8>>>::from_request(request(JSON, "[1, 2]"))).unwrap();
        assert_eq!((request.uri().path(), &request.body().0[..]), ("/x", &[1, 2][..]));
    }

    #[test]
    fn a_request_of_json_is_rejected_as_its_body_would_be() {
        let of = |content_type, body: &'static str| {
            let rejected = block_on(Request::<Json<u8>>::from_request(request(content_type, body)));
            rejected.err().unwrap().status()
        };
        assert_eq!(of(None, "1"), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert_eq!(of(JSON, "]"), StatusCode::BAD_REQUEST);
        assert_eq!(of(JSON, "\"text\""), StatusCode::UNPROCESSABLE_ENTITY);
    }

    #[test]
    fn optional_json_is_absent_without_a_media_type() {
        let of = |content_type, body: &'static str| {
            let json = block_on(Option::<Json<u8>>::from_request(request(content_type, body)));
            json.map(|json| json.map(|Json(number)| number)).map_err(|error| error.status())
        };
        assert_eq!(of(None, ""), Ok(None));
        assert_eq!(of(JSON, "1"), Ok(Some(1)));
        assert_eq!(of(JSON, "]"), Err(StatusCode::BAD_REQUEST));
        assert_eq!(of(Some("text/plain"), "1"), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
}

#[cfg(feature = "form")]
mod form {
    use super::*;
    use crate::extract::{Form, Query};

    type Pairs = Vec<(String, String)>;

    #[test]
    fn an_optional_query_is_absent_without_a_question_mark() {
        let of = |uri: &str| {
            let mut request = incoming(Request::get(uri).body(Body::empty()).unwrap());
            block_on(Option::<Query<Pairs>>::from_request_parts(&mut request)).unwrap().map(|Query(pairs)| pairs)
        };
        assert_eq!(of("/"), None);
        assert_eq!(of("/?"), Some(Vec::new()));
        assert_eq!(of("/?a=1"), Some(vec![("a".to_owned(), "1".to_owned())]));
    }

    #[test]
    fn a_request_of_a_form_keeps_its_head() {
        let request = request(Some("application/x-www-form-urlencoded"), "a=1");
        let request = block_on(Request::<Form<Pairs>>::from_request(request)).unwrap();
        assert_eq!((request.uri().path(), request.body().0.len()), ("/x", 1));
    }
}
