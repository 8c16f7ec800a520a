//! The head of an incoming request: which heads are rejected, and how the others are completed.
//!
//! The same rules hold for HTTP/1.1, for HTTP/2 and in process. hyper enforces some of these rules before this module:
//! it responds with 400, 414 or 431 without a body, and resets HTTP/2 streams whose head is malformed.

mod authority;
mod cookies;
mod framing;
mod size;
mod target;
mod upgrade;

use http::{HeaderValue, Request, Response, StatusCode, header};

use crate::message::body::Body;
use crate::message::problem::problem;

pub(crate) use size::{PARSED_FIELDS, PARSED_LIST_BYTES, TRAILER_BYTES, are_too_large_trailers};

/// A request extension that marks a request from a socket. In HTTP/1.1, it must have a `Host` header even if its target
/// names a host. A request in process need not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FromSocket;

/// The reason why a request does not reach the component.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) reason: String,
    /// Whether the connection has to close, because the start of the next request on it is unknown.
    pub(crate) ends_connection: bool,
}

impl Refusal {
    fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into(), ends_connection: false }
    }

    fn bad_request(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason)
    }

    fn not_implemented(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, reason)
    }

    fn ending_connection(self) -> Self {
        Self { ends_connection: true, ..self }
    }
}

/// The response to a request whose head is refused.
pub(crate) fn refused(refusal: &Refusal) -> Response<Body> {
    let mut response = problem(refusal.status, Some(&refusal.reason));
    if refusal.ends_connection {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Completes the head of a request for the component, or rejects it.
///
/// A second call with a completed request changes nothing.
pub(crate) fn accept<B>(request: &mut Request<B>) -> Result<(), Refusal> {
    cookies::join(request);
    size::check(request)?;
    framing::check(request)?;
    target::complete(request)?;
    upgrade::check(request)
}

/// Whether a text is a token (RFC 9110, section 5.6.2).
fn is_token(text: &[u8]) -> bool {
    let is_token_char = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(is_token_char)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_accepted_once_is_accepted_again() {
        for version in [http::Version::HTTP_11, http::Version::HTTP_2] {
            let request = Request::get("/x").version(version).header("host", "a.test").header("cookie", "a=1");
            let mut request = request.header("cookie", "b=2").body(()).unwrap();
            accept(&mut request).unwrap();
            let once = format!("{request:?}");
            accept(&mut request).unwrap();
            assert_eq!(format!("{request:?}"), once);
        }
    }
}
