//! Requests to other servers.

mod error;

use http::Uri;

use crate::sys::{Here, World};
use crate::{Body, Request, Response};

pub use error::Error;
pub(crate) use error::Kind;

/// Sends a request and answers when the head of the response has arrived.
///
/// The body of the request is sent meanwhile, and goes on being sent while the response is read. The URI must be
/// absolute: scheme, authority, path. A `host` field gives way to the authority of the URI; fields that belong to one connection only (RFC 9110, section 7.6.1) are left out, those that a `connection`
/// field names among them, so that a request which came in can be sent on as it is.
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
pub async fn send<B: Into<Body>>(request: Request<B>) -> Result<Response, Error> {
    let request = request.map(Into::into);
    if request.uri().scheme().is_none() || request.uri().authority().is_none() {
        let error = Error::new(Kind::Request, "the URL has no scheme or no authority");
        return Err(error.with_target(request.method(), request.uri()));
    }
    let (method, uri) = (request.method().clone(), request.uri().clone());
    Here::send(request).await.map_err(|error| error.with_target(&method, &uri))
}

/// Sends a GET request without fields and body.
///
/// # Errors
///
/// Fails like [`send`], and with [`Error::is_request`] if the text is not a URI.
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
pub async fn get<U>(uri: U) -> Result<Response, Error>
where
    U: TryInto<Uri, Error: std::error::Error + Send + Sync + 'static>,
{
    let uri = uri.try_into().map_err(|source| Error::new(Kind::Request, "the URL is not valid").with_source(source))?;
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = uri;
    send(request).await
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
