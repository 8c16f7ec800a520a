//! Converts an [`Error`] to a response, and logs its source.

use bytes::Bytes;

use super::{IntoResponse, collect};
use crate::sys::http::problem::{PROBLEM_JSON, problem};
use crate::sys::log::Chain;
use crate::sys::{Here, Responder, World};
use crate::{Body, Error, Response};

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        collect(self)
    }

    fn respond<R: Responder<Body>>(self, responder: R) -> R::Sent {
        let (status, detail, source) = self.into_parts();
        if let Some(source) = source {
            Here::log(&format!("{status}: {}", Chain(&*source)));
        }
        responder.bytes(status, Some(PROBLEM_JSON), Bytes::from(problem(status, detail.as_deref())))
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
}
