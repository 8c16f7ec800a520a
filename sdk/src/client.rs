//! Outbound calls: requests to upstreams.
//!
//! [`get`] sends a GET request with the default settings. A [`Client`] sends requests with other settings. [`send`]
//! is for proxies: it sends one request and follows no redirects.

mod builder;
#[cfg(feature = "multipart")]
mod form;
mod into_url;
mod policy;
mod redirect;
mod request;
mod response;
#[cfg(feature = "retry")]
mod retry;
mod run;
#[cfg(feature = "tower")]
mod service;

use std::future::Future;

pub use crate::sys::outbound::Error;
use crate::sys::outbound::{Kind, Timeouts};
use crate::sys::{Here, World};
use crate::{Body, Request, Response, url};

pub use builder::{Client, ClientBuilder};
#[cfg(feature = "multipart")]
pub use form::Form;
pub use into_url::IntoUrl;
pub use policy::{Redirect, RedirectAction};
pub use request::RequestBuilder;
pub use response::{FinalUrl, ResponseExt};
#[cfg(feature = "retry")]
pub use retry::Retry;

/// Sends a request and returns as soon as the response head has arrived. Follows no redirects, and sets no time
/// limit: only the host's time limits apply.
///
/// The request body is sent in the background, also while the response is read and after the response has been
/// dropped. A body in memory is sent to its end, even after the handler has returned. A streaming body is broken off
/// when the handler's exchange ends, that is, when its response has been sent; [`wait_until`](crate::wait_until)
/// postpones that end.
///
/// The URI must be absolute, with a scheme (`http` or `https`) and an authority. User information is not sent, and
/// bytes beyond ASCII are percent-encoded; the rest of the path and the query is sent unchanged. The authority of the
/// URI replaces a `host` header. Hop-by-hop headers (RFC 9110, section 7.6.1), including those that a `connection`
/// header names, are removed, so that an incoming request can be forwarded unchanged. A request without content is
/// sent without a framing header (`content-length` or `transfer-encoding`), except for `content-length: 0` with POST,
/// PUT and PATCH.
///
/// # Errors
///
/// Fails with an [`Error`] that names the method and the URL; its predicates, such as `is_timeout`, tell the cause. A
/// response with a 4xx or 5xx status is not an error.
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
    let mut request: Box<Request> = Box::new(request.map(Into::into));
    async move {
        url::encode(request.uri_mut());
        check(&mut request)?;
        Here::send(request, Timeouts::default()).await.map(|response| *response)
    }
}

/// Sends a GET request with the settings of [`Client::new`]: at most 10 redirects, and a time limit of 30 seconds.
///
/// # Errors
///
/// Returns the errors of [`RequestBuilder::send`].
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
pub fn get<U: IntoUrl>(url: U) -> impl Future<Output = Result<Response, Error>> + Send {
    Client::new().get(url).send()
}

/// Rejects a request whose URL is invalid. Removes user information from a valid URL.
fn check(request: &mut Request) -> Result<(), Error> {
    url::check(request.uri_mut())
        .map_err(|reason| Error::new(Kind::Request, reason).with_target(request.method(), request.uri()))
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::*;
    use crate::test::block_on;

    #[test]
    fn a_relative_url_is_refused_with_its_name() {
        let error = block_on(get("/only/a/path")).unwrap_err();
        assert!(error.is_request());
        assert_eq!(error.to_string(), "GET /only/a/path: the URL needs a scheme and a host, as in `http://host/path`");
    }

    #[test]
    fn an_invalid_url_is_refused_with_its_name() {
        let error = block_on(get("http://u:p@exa mple.org/")).unwrap_err();
        assert!(error.is_request());
        assert_eq!(error.to_string(), "GET http://exa mple.org/: the host `exa mple.org` is not valid");
    }

    #[test]
    fn an_invalid_port_is_an_invalid_url_for_every_way_to_send() {
        let uri = Uri::from_static("http://h:99999/");
        for error in [
            block_on(get("http://h:99999/")).unwrap_err(),
            block_on(get(uri.clone())).unwrap_err(),
            block_on(send(Request::get(uri.clone()).body("").unwrap())).unwrap_err(),
            block_on(Client::new().execute(Request::get(uri).body("").unwrap())).unwrap_err(),
        ] {
            assert!(error.is_request(), "{error}");
            let expected = "GET http://h:99999/: the port `99999` of `h:99999` is not a number from 0 to 65535";
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn raw_bytes_of_a_uri_are_percent_encoded_for_every_way_to_send() {
        let _upstream = crate::test::outbound(async |request: Request| request.uri().to_string());
        let request = || Request::get("http://u:p@h.test/caf\u{e9}?q=\u{e9}").body("").unwrap();
        for response in [
            block_on(get("http://u:p@h.test/caf\u{e9}?q=\u{e9}")),
            block_on(get(request().uri())),
            block_on(send(request())),
            block_on(Client::new().execute(request())),
        ] {
            let seen = block_on(response.unwrap().into_body().text()).unwrap();
            assert_eq!(seen, "http://h.test/caf%C3%A9?q=%C3%A9");
        }
    }

    #[test]
    fn without_a_mock_the_error_says_how_to_set_one_up() {
        let error = block_on(get("http://example.org/")).unwrap_err();
        assert!(error.to_string().contains("wayside::test::outbound"), "{error}");
    }
}
