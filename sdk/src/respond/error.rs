//! Converts an [`Error`] to a response, and logs its source.

use bytes::Bytes;

use super::{IntoResponse, collect};
use crate::error::ErrorParts;
use crate::sys::http::problem::{PROBLEM_JSON, problem};
use crate::sys::log::Chain;
use crate::sys::{Here, Responder, World};
use crate::{Body, Error, Response};

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        collect(self)
    }

    fn respond<R: Responder<Body>>(self, responder: R) -> R::Sent {
        let ErrorParts { status, detail, headers, source } = self.into_parts();
        if let Some(source) = source {
            Here::log(&format!("{status}: {}", Chain(&*source)));
        }
        let document = Bytes::from(problem(status, detail.as_deref()));
        match headers {
            None => responder.bytes(status, Some(PROBLEM_JSON), document),
            Some(headers) => responder.bytes_and_headers(status, PROBLEM_JSON, &*headers, document),
        }
    }
}

/// Needs the feature `axum`. The response is the same as when a handler of this crate returns the error.
#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for Error {
    fn into_response(self) -> axum_core::response::Response {
        collect(self).map(axum_core::body::Body::new)
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::sys::http::problem::INTERNAL;

    #[test]
    fn the_source_stays_out_of_the_response() {
        let error = Error::from(std::io::Error::other("password is hunter2"));
        let response = error.into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = crate::test::block_on(response.into_body().text()).unwrap();
        assert_eq!(body, INTERNAL);
    }

    #[test]
    fn headers_are_sent_and_do_not_contradict_the_document() {
        let error = Error::new(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD")
            .with_header("allow", "GET")
            .with_header("allow", "HEAD")
            .with_header("content-type", "text/html")
            .with_header("content-length", 3);
        let response = error.into_response();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers().get_all("allow").iter().collect::<Vec<_>>(), ["GET", "HEAD"]);
        assert_eq!(response.headers().get_all("content-type").iter().collect::<Vec<_>>(), [PROBLEM_JSON]);
        assert!(!response.headers().contains_key("content-length"));
    }

    #[cfg(feature = "axum")]
    #[test]
    fn axum_sends_the_same_problem_document() {
        let error = || Error::new(StatusCode::UNAUTHORIZED, "no token").with_header("www-authenticate", "Bearer");
        let ours = error().into_response();
        let axum = axum_core::response::IntoResponse::into_response(error());
        assert_eq!(axum.status(), ours.status());
        assert_eq!(axum.headers(), ours.headers());
        let text = |body| crate::test::block_on(crate::Body::from_http_body(body).text()).unwrap();
        assert_eq!(text(axum.into_body()), crate::test::block_on(ours.into_body().text()).unwrap());
    }
}
