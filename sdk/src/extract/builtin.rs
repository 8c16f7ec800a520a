//! Extractors for types of `http`, `bytes`, the standard library and this crate.

use std::convert::Infallible;
use std::future::{Future, ready};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Uri};

use super::payload::read_whole;
use crate::{Body, Error, FromRequest, FromRequestParts, IncomingRequest, Request};

/// Implements [`FromRequestParts`] for types that are parts of the request head.
macro_rules! from_head {
    ($($type:ty, $request:ident => $extract:expr;)*) => {$(
        impl FromRequestParts for $type {
            type Rejection = Error;

            async fn from_request_parts($request: &mut IncomingRequest) -> Result<Self, Error> {
                $extract
            }
        }
    )*};
}

from_head! {
    Method, request => request.method();
    Uri, request => request.uri();
    HeaderMap, request => request.headers();
    Parts, request => request.parts();
}

impl FromRequestParts for () {
    type Rejection = Infallible;

    fn from_request_parts(_: &mut IncomingRequest) -> impl Future<Output = Result<Self, Infallible>> + Send {
        ready(Ok(()))
    }
}

/// A handler that takes a `Result` gets the rejection as its argument, and decides on the response.
impl<T: FromRequestParts> FromRequestParts for Result<T, T::Rejection> {
    type Rejection = Infallible;

    async fn from_request_parts(request: &mut IncomingRequest) -> Result<Self, Infallible> {
        Ok(T::from_request_parts(request).await)
    }
}

/// A handler that takes a `Result` gets the rejection as its argument, and decides on the response.
impl<T: FromRequest> FromRequest for Result<T, T::Rejection> {
    type Rejection = Infallible;

    async fn from_request(request: IncomingRequest) -> Result<Self, Infallible> {
        Ok(T::from_request(request).await)
    }
}

/// `None` means that the request does not contain the value; see [`FromRequestParts::from_request_parts_optional`].
impl<T: FromRequestParts> FromRequestParts for Option<T> {
    type Rejection = T::Rejection;

    fn from_request_parts(request: &mut IncomingRequest) -> impl Future<Output = Result<Self, T::Rejection>> + Send {
        T::from_request_parts_optional(request)
    }
}

/// `None` means that the request does not contain the value; see [`FromRequest::from_request_optional`].
impl<T: FromRequest> FromRequest for Option<T> {
    type Rejection = T::Rejection;

    fn from_request(request: IncomingRequest) -> impl Future<Output = Result<Self, T::Rejection>> + Send {
        T::from_request_optional(request)
    }
}

impl FromRequest for IncomingRequest {
    type Rejection = Infallible;

    fn from_request(request: IncomingRequest) -> impl Future<Output = Result<Self, Infallible>> + Send {
        ready(Ok(request))
    }
}

impl FromRequest for Body {
    type Rejection = Infallible;

    fn from_request(request: IncomingRequest) -> impl Future<Output = Result<Self, Infallible>> + Send {
        ready(Ok(request.into_body()))
    }
}

impl FromRequest for Request {
    type Rejection = Error;

    async fn from_request(request: IncomingRequest) -> Result<Self, Error> {
        request.into_request()
    }
}

/// Implements [`FromRequest`] for types made from the whole body, and for [`Request`]s whose body has such a type.
macro_rules! from_whole_body {
    ($($type:ty, $bytes:ident => $made:expr;)*) => {$(
        impl FromRequest for $type {
            type Rejection = Error;

            async fn from_request(request: IncomingRequest) -> Result<Self, Error> {
                let limit = request.body_limit();
                let $bytes = read_whole(request.into_body(), limit).await?;
                $made
            }
        }

        impl FromRequest for Request<$type> {
            type Rejection = Error;

            async fn from_request(request: IncomingRequest) -> Result<Self, Error> {
                let limit = request.body_limit();
                let (parts, body) = request.into_request()?.into_parts();
                let $bytes = read_whole(body, limit).await?;
                let made: Result<$type, Error> = $made;
                Ok(Self::from_parts(parts, made?))
            }
        }
    )*};
}

from_whole_body! {
    Bytes, bytes => Ok(bytes);
    Vec<u8>, bytes => Ok(bytes.into());
    String, bytes => String::from_utf8(bytes.into()).map_err(|error| {
        Error::new(StatusCode::BAD_REQUEST, "the request body is not UTF-8").with_source(error.utf8_error())
    });
}
