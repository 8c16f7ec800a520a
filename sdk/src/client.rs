//! Requests to other servers.
//!
//! [`get`] is the shortest way, a [`Client`] the one with all the choices, and [`send`] one exchange and nothing more: what
//! a proxy needs.

mod builder;
mod error;
#[cfg(feature = "multipart")]
mod form;
mod redirect;
mod request;
mod response;
#[cfg(feature = "tower")]
mod service;

use std::future::Future;
use std::time::Duration;

use http::Uri;

use crate::sys::{Here, World};
use crate::{Body, Request, Response};

pub use builder::{Client, ClientBuilder};
pub use error::Error;
pub(crate) use error::Kind;
#[cfg(feature = "multipart")]
pub use form::Form;
pub use request::RequestBuilder;
pub use response::ResponseExt;

/// The time limits of one exchange; none where there is none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timeouts {
    /// Kept by the component's own clock, to the end of the response's body.
    pub(crate) total: Option<Duration>,
    pub(crate) connect: Option<Duration>,
    pub(crate) first_byte: Option<Duration>,
    pub(crate) between_bytes: Option<Duration>,
}

/// Sends a request and answers when the head of the response has arrived: one exchange, without redirects, and without a
/// time limit but the host's.
///
/// The body of the request is sent meanwhile, and goes on being sent while the response is read, or when it is dropped.
/// A body of bytes is sent to its end, also after the handler has answered. One that streams is broken off where the
/// exchange of the handler ends before it; [`wait_until`](crate::wait_until) puts that end off. The URI must be absolute: scheme, authority, path. A `host` field gives way to the authority of the URI; fields that belong to one
/// connection only (RFC 9110, section 7.6.1) are left out, those that a `connection` field names among them, so that a
/// request which came in can be sent on as it is.
///
/// # Errors
///
/// Fails with an [`Error`] that names the method and the URL; its predicates tell the cause. A response with a 4xx or
/// 5xx status is not an error.
///
/// # Examples
///
/// ```
/// use wayside::{Error, Request, Response, client};
///
/// async fn handle() -> Result<Response, Error> {
///     let request = Request::post("https://example.org/things").body("a thing")?;
///     Ok(client::send(request).await?)
/// }
/// ```
pub fn send<B: Into<Body>>(request: Request<B>) -> impl Future<Output = Result<Response, Error>> + Send {
    let request = Box::new(request.map(Into::into));
    async move { exchange(request, Timeouts::default())?.await.map(|response| *response) }
}

/// Sends a GET request with the client of [`Client::new`]: up to 10 redirects, 30 seconds.
///
/// # Errors
///
/// Fails like [`RequestBuilder::send`].
///
/// # Examples
///
/// ```
/// use wayside::{Error, client};
///
/// async fn handle() -> Result<String, Error> {
///     Ok(client::get("https://example.org/").await?.into_body().text().await?)
/// }
/// ```
pub fn get<U>(url: U) -> impl Future<Output = Result<Response, Error>> + Send
where
    U: TryInto<Uri, Error: std::error::Error + Send + Sync + 'static>,
{
    Client::new().get(url).send()
}

/// One exchange.
fn exchange(
    request: Box<Request>,
    timeouts: Timeouts,
) -> Result<impl Future<Output = Result<Box<Response>, Error>> + Send, Error> {
    if request.uri().scheme().is_none() || request.uri().authority().is_none() {
        let error = Error::new(Kind::Request, "the URL has no scheme or no authority");
        return Err(error.with_target(request.method(), request.uri()));
    }
    Ok(Here::send(request, timeouts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::block_on;

    #[test]
    fn a_relative_url_is_refused_with_its_name() {
        let error = block_on(get("/only/a/path")).unwrap_err();
        assert!(error.is_request());
        assert_eq!(error.to_string(), "GET /only/a/path: the URL has no scheme or no authority");
    }

    #[test]
    fn an_invalid_url_is_refused() {
        assert!(block_on(get("http://exa mple.org/")).unwrap_err().is_request());
    }

    #[test]
    fn without_a_mock_the_error_says_how_to_set_one_up() {
        let error = block_on(get("http://example.org/")).unwrap_err();
        assert!(error.to_string().contains("wayside::test::outbound"), "{error}");
    }
}
