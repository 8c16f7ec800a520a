//! What a handler can answer with.

use std::borrow::Cow;
use std::convert::Infallible;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, SET_COOKIE};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::{Body, Error, Response};

/// A type that a handler can answer with.
///
/// Text is sent as `text/plain; charset=utf-8`, bytes as `application/octet-stream`. A tuple adds a status, headers, or
/// both to its last value, as in `(StatusCode::CREATED, [("location", "/7")], "made")`.
///
/// The headers of a tuple are an array or a [`HeaderMap`]. Entries of the same name are all sent, in their order. A header
/// replaces all headers of the same name that the last value has, such as its `content-type`. The exception is
/// `set-cookie`: each one is a cookie (RFC 6265, section 3), so cookies are added to those that the last value has. To add
/// to another header of a response, use `response.headers_mut().append(…)`.
///
/// # Examples
///
/// An answer of one's own:
///
/// ```
/// use wayside::{IntoResponse, Response, StatusCode};
///
/// enum Answer { Found(String), Gone }
///
/// impl IntoResponse for Answer {
///     fn into_response(self) -> Response {
///         match self {
///             Answer::Found(text) => text.into_response(),
///             Answer::Gone => StatusCode::GONE.into_response(),
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the answer of an HTTP handler",
    label = "expected `wayside::Response` or another type that can be turned into one",
    note = "a handler returns a type that implements `wayside::IntoResponse`, or a `Result` of two such types"
)]
pub trait IntoResponse {
    /// Turns this into a response.
    fn into_response(self) -> Response;

    /// Turns this into what a world sends. Not API: the default is right for every implementation outside this crate.
    #[doc(hidden)]
    fn into_answer(self) -> Answer
    where
        Self: Sized,
    {
        let mut response = Box::new(self.into_response());
        response.body_mut().of_a_whole_response();
        Answer::Response(response)
    }
}

/// What a world sends: most answers are a body with a media type, and building a map of fields for that one would cost
/// more than all the rest of the answer.
#[doc(hidden)]
#[derive(Debug)]
pub enum Answer {
    /// A body with its media type, which has none if it is empty.
    Body { status: StatusCode, content_type: Option<&'static str>, body: Body },
    /// Anything else. Boxed, because it is moved more often than it is made.
    Response(Box<Response>),
}

impl Answer {
    pub(crate) fn typed(content_type: &'static str, body: impl Into<Body>) -> Self {
        Self::Body { status: StatusCode::OK, content_type: Some(content_type), body: body.into() }
    }

    pub(crate) fn untyped(body: Body) -> Self {
        Self::Body { status: StatusCode::OK, content_type: None, body }
    }

    pub(crate) fn with_status(mut self, new: StatusCode) -> Self {
        match &mut self {
            Self::Body { status, .. } => *status = new,
            Self::Response(response) => *response.status_mut() = new,
        }
        self
    }

    pub(crate) fn into_response(self) -> Response {
        match self {
            Self::Body { status, content_type, body } => {
                let mut response = Response::new(body);
                *response.status_mut() = status;
                if let Some(content_type) = content_type {
                    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
                }
                response
            }
            Self::Response(response) => *response,
        }
    }
}

/// Implements [`IntoResponse`] by what is sent.
macro_rules! into_answer {
    ($([$($generics:tt)*] $type:ty, $self:ident => $answer:expr;)*) => {$(
        impl<$($generics)*> IntoResponse for $type {
            fn into_response(self) -> Response {
                self.into_answer().into_response()
            }

            fn into_answer($self) -> Answer {
                $answer
            }
        }
    )*};
}

const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";

into_answer! {
    [] &'static str, self => Answer::typed(TEXT, self);
    [] String, self => Answer::typed(TEXT, self);
    [] Cow<'static, str>, self => Answer::typed(TEXT, self);
    [] &'static [u8], self => Answer::typed(BYTES, self);
    [] Vec<u8>, self => Answer::typed(BYTES, self);
    [] Bytes, self => Answer::typed(BYTES, self);
    [T: Into<Body>] Text<T>, self => Answer::typed(TEXT, self.0);
    [T: Into<Body>] Html<T>, self => Answer::typed("text/html; charset=utf-8", self.0);
    [] (), self => Answer::untyped(Body::empty());
    [] Body, self => Answer::untyped(self);
    [] StatusCode, self => Answer::untyped(Body::empty()).with_status(self);
    [T: IntoResponse] (StatusCode, T), self => self.1.into_answer().with_status(self.0);
    [T: IntoResponse, E: IntoResponse] Result<T, E>, self => match self {
        Ok(answer) => answer.into_answer(),
        Err(error) => error.into_answer(),
    };
}

/// Text sent as `text/plain; charset=utf-8` that is not a `String`: bytes of which nobody has to check that they are UTF-8,
/// or a [`Body`] that streams.
#[derive(Clone, Copy, Debug, Default)]
pub struct Text<T>(pub T);

/// A page: text sent as `text/html; charset=utf-8`.
///
/// # Examples
///
/// ```
/// use wayside::{Html, IntoResponse};
///
/// let response = Html("<!doctype html><title>Hello</title>").into_response();
/// assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Html<T>(pub T);

impl<B: Into<Body>> IntoResponse for Response<B> {
    fn into_response(self) -> Response {
        self.map(Into::into)
    }
}

impl IntoResponse for Parts {
    fn into_response(self) -> Response {
        Response::from_parts(self, Body::empty())
    }
}

impl IntoResponse for Infallible {
    fn into_response(self) -> Response {
        match self {}
    }
}

impl<T: IntoResponse> IntoResponse for (HeaderMap, T) {
    fn into_response(self) -> Response {
        let mut response = self.1.into_response();
        add_headers(response.headers_mut(), self.0);
        response
    }
}

impl<T: IntoResponse> IntoResponse for (StatusCode, HeaderMap, T) {
    fn into_response(self) -> Response {
        (self.0, (self.1, self.2)).into_response()
    }
}

impl<const N: usize, K, V, T> IntoResponse for ([(K, V); N], T)
where
    K: TryInto<HeaderName, Error: std::error::Error + Send + Sync + 'static>,
    V: TryInto<HeaderValue, Error: std::error::Error + Send + Sync + 'static>,
    T: IntoResponse,
{
    fn into_response(self) -> Response {
        with_fields(self.1.into_response(), self.0).unwrap_or_else(IntoResponse::into_response)
    }
}

impl<const N: usize, K, V, T> IntoResponse for (StatusCode, [(K, V); N], T)
where
    K: TryInto<HeaderName, Error: std::error::Error + Send + Sync + 'static>,
    V: TryInto<HeaderValue, Error: std::error::Error + Send + Sync + 'static>,
    T: IntoResponse,
{
    fn into_response(self) -> Response {
        with_fields((self.0, self.2).into_response(), self.1).unwrap_or_else(IntoResponse::into_response)
    }
}

/// Adds the headers of a tuple. An invalid name or value turns the whole response into an error response.
fn with_fields<const N: usize, K, V>(mut response: Response, fields: [(K, V); N]) -> Result<Response, Error>
where
    K: TryInto<HeaderName, Error: std::error::Error + Send + Sync + 'static>,
    V: TryInto<HeaderValue, Error: std::error::Error + Send + Sync + 'static>,
{
    let mut added = HeaderMap::with_capacity(N);
    for (name, value) in fields {
        added.append(name.try_into()?, value.try_into()?);
    }
    add_headers(response.headers_mut(), added);
    Ok(response)
}

/// Replaces headers of the same name, except `set-cookie`, which is added.
fn add_headers(headers: &mut HeaderMap, added: HeaderMap) {
    let mut name = SET_COOKIE;
    // A map names a header once, in front of its first value.
    for (next, value) in added {
        match next {
            Some(next) if next != SET_COOKIE => {
                headers.insert(next.clone(), value);
                name = next;
            }
            next => {
                name = next.unwrap_or(name);
                headers.append(name.clone(), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::block_on;

    fn text_of(response: Response) -> String {
        block_on(response.into_body().text()).unwrap()
    }

    #[test]
    fn text_says_its_media_type() {
        let response = "hello".into_response();
        assert_eq!(response.headers()[CONTENT_TYPE], "text/plain; charset=utf-8");
        assert_eq!(text_of(response), "hello");
    }

    #[test]
    fn bytes_are_text_where_the_handler_says_so() {
        let response = Text(b"hello".to_vec()).into_response();
        assert_eq!(response.headers()[CONTENT_TYPE], "text/plain; charset=utf-8");
        assert_eq!(text_of(response), "hello");
    }

    #[test]
    fn a_tuple_adds_status_and_fields() {
        let response =
            (StatusCode::CREATED, [("location", "/7"), ("content-type", "text/css")], "made").into_response();
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(response.headers()["location"], "/7");
        assert_eq!(response.headers()[CONTENT_TYPE], "text/css");
    }

    #[test]
    fn a_field_that_is_none_answers_500() {
        let response = (StatusCode::CREATED, [("location", "a\nb")], "made").into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn repeated_fields_of_a_map_stay_in_order() {
        let mut fields = HeaderMap::new();
        fields.append("set-cookie", HeaderValue::from_static("a=1"));
        fields.append("set-cookie", HeaderValue::from_static("b=2"));
        let response = (fields, ()).into_response();
        let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
    }

    fn values<'a>(response: &'a Response, name: &str) -> Vec<&'a HeaderValue> {
        response.headers().get_all(name).iter().collect()
    }

    #[test]
    fn every_entry_of_an_array_is_sent() {
        let fields =
            [("set-cookie", "a=1"), ("x-own", "1"), ("set-cookie", "b=2"), ("x-own", "2"), ("set-cookie", "c=3")];
        let created = (StatusCode::CREATED, fields, "").into_response();
        for response in [(fields, "").into_response(), created] {
            assert_eq!(values(&response, "set-cookie"), ["a=1", "b=2", "c=3"]);
            assert_eq!(values(&response, "x-own"), ["1", "2"]);
        }
    }

    #[test]
    fn a_header_of_a_tuple_replaces_those_of_its_last_value() {
        let inner = ([("vary", "accept"), ("vary", "origin"), ("etag", "\"1\"")], "body");
        let response = ([("vary", "cookie"), ("vary", "host"), ("content-type", "text/css")], inner).into_response();
        assert_eq!(values(&response, "vary"), ["cookie", "host"]);
        assert_eq!(values(&response, "content-type"), ["text/css"]);
        assert_eq!(values(&response, "etag"), ["\"1\""]);
    }

    #[test]
    fn cookies_of_a_tuple_are_added_to_those_of_its_last_value() {
        let response = ([("set-cookie", "c=3")], ([("set-cookie", "a=1"), ("set-cookie", "b=2")], "")).into_response();
        assert_eq!(values(&response, "set-cookie"), ["a=1", "b=2", "c=3"]);
        let mut fields = HeaderMap::new();
        fields.append("set-cookie", HeaderValue::from_static("d=4"));
        fields.append("vary", HeaderValue::from_static("origin"));
        fields.append("set-cookie", HeaderValue::from_static("e=5"));
        let response = (fields, ([("vary", "cookie")], response)).into_response();
        assert_eq!(values(&response, "set-cookie"), ["a=1", "b=2", "c=3", "d=4", "e=5"]);
        assert_eq!(values(&response, "vary"), ["origin"]);
    }

    #[test]
    fn an_error_answers_in_its_own_way() {
        let result: Result<&str, StatusCode> = Err(StatusCode::NOT_FOUND);
        assert_eq!(result.into_response().status(), StatusCode::NOT_FOUND);
    }
}
