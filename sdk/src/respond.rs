//! What a handler can answer with.

use std::borrow::Cow;
use std::convert::Infallible;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::{Body, Error, Response};

/// A type that a handler can answer with.
///
/// Text is sent as `text/plain; charset=utf-8`, bytes as `application/octet-stream`. A tuple adds a status, fields, or
/// both to what stands last in it, as in `(StatusCode::CREATED, [("location", "/7")], "made")`.
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
}

/// A page: text sent as `text/html; charset=utf-8`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Html<T>(pub T);

fn typed(body: Body, content_type: &'static str) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Implements [`IntoResponse`] for what is a body with a media type.
macro_rules! body_of_type {
    ($($media_type:literal: $($type:ty)*;)*) => {$($(
        impl IntoResponse for $type {
            fn into_response(self) -> Response {
                typed(self.into(), $media_type)
            }
        }
    )*)*};
}

body_of_type! {
    "text/plain; charset=utf-8": &'static str String Cow<'static, str>;
    "application/octet-stream": &'static [u8] Vec<u8> Bytes;
}

impl<T: Into<Body>> IntoResponse for Html<T> {
    fn into_response(self) -> Response {
        typed(self.0.into(), "text/html; charset=utf-8")
    }
}

impl IntoResponse for () {
    fn into_response(self) -> Response {
        Response::new(Body::empty())
    }
}

impl IntoResponse for Body {
    fn into_response(self) -> Response {
        Response::new(self)
    }
}

impl IntoResponse for StatusCode {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self;
        response
    }
}

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

impl<T: IntoResponse, E: IntoResponse> IntoResponse for Result<T, E> {
    fn into_response(self) -> Response {
        match self {
            Ok(answer) => answer.into_response(),
            Err(error) => error.into_response(),
        }
    }
}

impl<T: IntoResponse> IntoResponse for (StatusCode, T) {
    fn into_response(self) -> Response {
        let mut response = self.1.into_response();
        *response.status_mut() = self.0;
        response
    }
}

impl<T: IntoResponse> IntoResponse for (HeaderMap, T) {
    fn into_response(self) -> Response {
        let mut response = self.1.into_response();
        response.headers_mut().extend(self.0);
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
        let mut response = self.1.into_response();
        for (name, value) in self.0 {
            let field = name.try_into().map_err(Error::from).and_then(|name| Ok((name, value.try_into()?)));
            match field {
                Ok((name, value)) => response.headers_mut().insert(name, value),
                Err(error) => return error.into_response(),
            };
        }
        response
    }
}

impl<const N: usize, K, V, T> IntoResponse for (StatusCode, [(K, V); N], T)
where
    ([(K, V); N], T): IntoResponse,
{
    fn into_response(self) -> Response {
        let mut response = (self.1, self.2).into_response();
        // A field that is none has become an error of its own, which keeps its status.
        if response.extensions().get::<crate::error::Source>().is_none() {
            *response.status_mut() = self.0;
        }
        response
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

    #[test]
    fn an_error_answers_in_its_own_way() {
        let result: Result<&str, StatusCode> = Err(StatusCode::NOT_FOUND);
        assert_eq!(result.into_response().status(), StatusCode::NOT_FOUND);
    }
}
