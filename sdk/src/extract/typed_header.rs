//! A header of a type from the crate `headers`, as an argument and in a response.

use std::convert::Infallible;

use headers::{Header, HeaderMapExt as _};
use http::StatusCode;

use crate::{Error, FromRequestParts, IncomingRequest, IntoResponseParts, ResponseParts};

/// A header of a type from the crate [`headers`], for example `Authorization<Bearer>`.
///
/// As an argument of a handler, it takes the header from the request. A missing or invalid header is answered with
/// the status 400. `Option<TypedHeader<H>>` is `None` if the header is missing. In a tuple that becomes a response,
/// it replaces the headers of that name.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use wayside::extract::TypedHeader;
/// use wayside::headers::{Expires, IfModifiedSince};
/// use wayside::{IntoResponse, StatusCode, http_component};
///
/// #[http_component]
/// fn handle(since: Option<TypedHeader<IfModifiedSince>>) -> impl IntoResponse {
///     let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
///     if since.is_some_and(|TypedHeader(since)| !since.is_modified(changed)) {
///         return StatusCode::NOT_MODIFIED.into_response();
///     }
///     (TypedHeader(Expires::from(changed + Duration::from_secs(3600))), "news").into_response()
/// }
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TypedHeader<H>(
    /// The value of the header.
    pub H,
);

impl<H: Header> TypedHeader<H> {
    fn find(request: &IncomingRequest) -> Result<Option<Self>, Error> {
        let found = request.headers()?.typed_try_get().map_err(|_| {
            Error::new(StatusCode::BAD_REQUEST, format!("the header `{}` of the request is not valid", H::name()))
        });
        Ok(found?.map(Self))
    }
}

impl<H: Header> FromRequestParts for TypedHeader<H> {
    type Rejection = Error;

    async fn from_request_parts(request: &mut IncomingRequest) -> Result<Self, Error> {
        let missing = || format!("the request needs the header `{}`", H::name());
        Self::find(request)?.ok_or_else(|| Error::new(StatusCode::BAD_REQUEST, missing()))
    }

    async fn from_request_parts_optional(request: &mut IncomingRequest) -> Result<Option<Self>, Error> {
        Self::find(request)
    }
}

impl<H: Header> IntoResponseParts for TypedHeader<H> {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        parts.headers_mut().typed_insert(self.0);
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use headers::authorization::Bearer;
    use headers::{Authorization, Server};
    use http::header::AUTHORIZATION;

    use super::*;
    use crate::test::{block_on, incoming};
    use crate::{IntoResponse, Request};

    type Token = TypedHeader<Authorization<Bearer>>;

    fn request(authorization: Option<&str>) -> IncomingRequest {
        let mut request = Request::get("http://a.test/").body(()).unwrap();
        if let Some(value) = authorization {
            request.headers_mut().insert(AUTHORIZATION, value.parse().unwrap());
        }
        incoming(request)
    }

    #[test]
    fn a_header_is_read_and_a_missing_or_invalid_one_rejected() {
        block_on(async {
            let read = Token::from_request_parts(&mut request(Some("Bearer abc"))).await.unwrap();
            assert_eq!(read.0.token(), "abc");
            let missing = Token::from_request_parts(&mut request(None)).await.unwrap_err();
            assert_eq!(missing.status(), StatusCode::BAD_REQUEST);
            assert_eq!(missing.detail(), Some("the request needs the header `authorization`"));
            let invalid = Token::from_request_parts(&mut request(Some("Basic abc"))).await.unwrap_err();
            assert_eq!(invalid.status(), StatusCode::BAD_REQUEST);
            assert_eq!(invalid.detail(), Some("the header `authorization` of the request is not valid"));
        });
    }

    #[test]
    fn an_optional_header_may_be_missing_but_not_invalid() {
        block_on(async {
            assert_eq!(Option::<Token>::from_request_parts(&mut request(None)).await.unwrap(), None);
            assert!(Option::<Token>::from_request_parts(&mut request(Some("Basic abc"))).await.is_err());
        });
    }

    #[test]
    fn in_a_response_it_replaces_the_headers_of_its_name() {
        let inner = ([("server", "one")], "hello");
        let response = (TypedHeader(Server::from_static("two")), inner).into_response();
        assert_eq!(response.headers().get_all("server").iter().collect::<Vec<_>>(), ["two"]);
    }
}
