//! Conversion of the results of handlers to responses.

mod error;
mod parts;

use std::borrow::Cow;
use std::convert::Infallible;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::response::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::sys::body::MessageBody;
use crate::sys::{HandlerResult, MoreHeaders, Responder};
use crate::{Body, Response};

pub use parts::{AppendHeaders, IntoResponseParts, ResponseParts};

/// A type that a handler can return as its response.
///
/// A string is sent as `text/plain; charset=utf-8`, bytes as `application/octet-stream`. A tuple adds a status,
/// headers, or both to its last value, as in `(StatusCode::CREATED, [("location", "/7")], "made")`. Such a tuple
/// consists of an optional status, up to six values that implement [`IntoResponseParts`], and the body or a whole
/// response.
///
/// # Examples
///
/// A custom response type:
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
    /// Converts this value to a response.
    fn into_response(self) -> Response;

    /// Sends this value as the response. Not part of the API: types outside this crate use the default
    /// implementation.
    #[doc(hidden)]
    fn respond<R: Responder<Body>>(self, responder: R) -> R::Sent
    where
        Self: Sized,
    {
        responder.response(Box::new(self.into_response()))
    }
}

impl<T: IntoResponse> HandlerResult for T {
    type Body = Body;

    fn send<R: Responder<Body>>(self, responder: R) -> R::Sent {
        self.respond(responder)
    }
}

/// Converts a value to a response by calling its [`IntoResponse::respond`].
pub(crate) fn collect(response: impl IntoResponse) -> Response {
    response.respond(Collect)
}

/// A [`Responder`] that returns the response instead of sending it.
struct Collect;

impl Responder<Body> for Collect {
    type Sent = Response;

    fn bytes(self, status: StatusCode, content_type: Option<&'static str>, body: Bytes) -> Response {
        self.body(status, content_type, body.into())
    }

    fn bytes_and_headers(
        self,
        status: StatusCode,
        content_type: &'static str,
        headers: &dyn MoreHeaders,
        body: Bytes,
    ) -> Response {
        let mut response = self.bytes(status, Some(content_type), body);
        headers.copy_to(response.headers_mut());
        response
    }

    fn body(self, status: StatusCode, content_type: Option<&'static str>, body: Body) -> Response {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        if let Some(content_type) = content_type {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        response
    }

    fn response(self, response: Box<Response>) -> Response {
        *response
    }
}

/// A [`Responder`] that replaces the status of a response and passes it on to another responder.
struct WithStatus<R> {
    status: StatusCode,
    responder: R,
}

impl<R: Responder<Body>> Responder<Body> for WithStatus<R> {
    type Sent = R::Sent;

    fn bytes(self, _: StatusCode, content_type: Option<&'static str>, body: Bytes) -> R::Sent {
        self.responder.bytes(self.status, content_type, body)
    }

    fn bytes_and_headers(
        self,
        _: StatusCode,
        content_type: &'static str,
        headers: &dyn MoreHeaders,
        body: Bytes,
    ) -> R::Sent {
        self.responder.bytes_and_headers(self.status, content_type, headers, body)
    }

    fn body(self, _: StatusCode, content_type: Option<&'static str>, body: Body) -> R::Sent {
        self.responder.body(self.status, content_type, body)
    }

    fn response(self, mut response: Box<Response>) -> R::Sent {
        *response.status_mut() = self.status;
        self.responder.response(response)
    }
}

/// Implements [`IntoResponse`] for types with their own `respond`: `$sent` passes the value to a [`Responder`].
macro_rules! respond {
    ($([$($generics:tt)*] $type:ty, $self:ident, $responder:ident => $sent:expr;)*) => {$(
        impl<$($generics)*> IntoResponse for $type {
            fn into_response(self) -> Response {
                collect(self)
            }

            fn respond<R: Responder<Body>>($self, $responder: R) -> R::Sent {
                $sent
            }
        }
    )*};
}

const OK: StatusCode = StatusCode::OK;
const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";
const HTML: &str = "text/html; charset=utf-8";

/// Returns the media type of a body, and `None` for an empty body. A `content-type` describes content (RFC 9110,
/// section 8.3), so a client that gets this header may try to decode the empty body.
fn media_type_of(body: &[u8], media_type: &'static str) -> Option<&'static str> {
    if body.is_empty() { None } else { Some(media_type) }
}

// Inlined: if the caller's code determines whether the body is in memory, the component contains only that branch.
#[inline(always)]
fn body_of_type<R: Responder<Body>>(to: R, media_type: &'static str, body: Body) -> R::Sent {
    match MessageBody::into_bytes(body) {
        Ok(bytes) => to.bytes(OK, media_type_of(&bytes, media_type), bytes),
        Err(body) => to.body(OK, Some(media_type), body),
    }
}

respond! {
    [] &'static str, self, to => to.bytes(OK, media_type_of(self.as_ref(), TEXT), self.into());
    [] String, self, to => to.bytes(OK, media_type_of(self.as_ref(), TEXT), self.into());
    [] Cow<'static, str>, self, to => match self {
        Cow::Borrowed(text) => text.respond(to),
        Cow::Owned(text) => text.respond(to),
    };
    [] &'static [u8], self, to => to.bytes(OK, media_type_of(self, BYTES), self.into());
    [] Vec<u8>, self, to => to.bytes(OK, media_type_of(self.as_ref(), BYTES), self.into());
    [] Bytes, self, to => to.bytes(OK, media_type_of(self.as_ref(), BYTES), self);
    [T: Into<Body>] Text<T>, self, to => body_of_type(to, TEXT, self.0.into());
    [T: Into<Body>] Html<T>, self, to => body_of_type(to, HTML, self.0.into());
    [] (), self, to => to.bytes(OK, None, Bytes::new());
    [] Body, self, to => to.body(OK, None, self);
    [] StatusCode, self, to => to.bytes(self, None, Bytes::new());
    [T: IntoResponse] (StatusCode, T), self, to => self.1.respond(WithStatus { status: self.0, responder: to });
    [T: IntoResponse, E: IntoResponse] Result<T, E>, self, to => match self {
        Ok(response) => response.respond(to),
        Err(error) => error.respond(to),
    };
}

/// Bytes or a [`Body`] to send as `text/plain; charset=utf-8`. The bytes are not checked to be UTF-8.
#[derive(Clone, Copy, Debug, Default)]
pub struct Text<T>(pub T);

/// An HTML page, sent as `text/html; charset=utf-8`.
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

/// Implements [`IntoResponse`] for headers: the response has an empty body.
macro_rules! headers_alone {
    ($([$($generics:tt)*] $type:ty;)*) => {$(
        impl<$($generics)*> IntoResponse for $type
        where
            Self: IntoResponseParts,
        {
            fn into_response(self) -> Response {
                (self, ()).into_response()
            }
        }
    )*};
}

headers_alone! {
    [] HeaderMap;
    [const N: usize, K, V] [(K, V); N];
    [I] AppendHeaders<I>;
}

/// Implements [`IntoResponse`] for tuples: adds all values except the last to the response of the last value.
macro_rules! tuples {
    ($(($($part:ident)+))*) => {$(
        #[allow(non_snake_case, reason = "each variable has the name of its type")]
        impl<$($part: IntoResponseParts,)+ Last: IntoResponse> IntoResponse for ($($part,)+ Last) {
            fn into_response(self) -> Response {
                let ($($part,)+ last) = self;
                let parts = ResponseParts::of(last.into_response());
                $(
                    let parts = match $part.into_response_parts(parts) {
                        Ok(parts) => parts,
                        Err(error) => return error.into_response(),
                    };
                )+
                parts.into_response()
            }
        }

        #[allow(non_snake_case, reason = "each variable has the name of its type")]
        impl<$($part: IntoResponseParts,)+ Last: IntoResponse> IntoResponse for (StatusCode, $($part,)+ Last) {
            fn into_response(self) -> Response {
                let (status, $($part,)+ last) = self;
                ($($part,)+ (status, last)).into_response()
            }
        }
    )*};
}

tuples! {
    (A)
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E F)
}

impl IntoResponse for Infallible {
    fn into_response(self) -> Response {
        match self {}
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
    fn an_error_answers_in_its_own_way() {
        let result: Result<&str, StatusCode> = Err(StatusCode::NOT_FOUND);
        assert_eq!(result.into_response().status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn an_empty_body_has_no_content_type() {
        let empty = [
            "".into_response(),
            String::new().into_response(),
            Vec::<u8>::new().into_response(),
            Bytes::new().into_response(),
            Text("").into_response(),
            Html(String::new()).into_response(),
            (StatusCode::NO_CONTENT, "").into_response(),
        ];
        for response in empty {
            assert!(response.headers().is_empty(), "{:?}", response.headers());
        }
    }
}
