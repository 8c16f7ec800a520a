//! Outbound calls, as the worlds see them.

use std::error::Error as StdError;
use std::fmt;

use http::{Method, StatusCode, Uri};

pub(crate) use super::http::error_code::Kind;
pub(crate) use super::http::options::Timeouts;
use crate::url;

/// A failure of an outbound call.
///
/// The text of the error starts with the method and the URL of the request if they are known, and leaves credentials
/// out. The predicates tell the cause; [`source`](StdError::source) returns the underlying error.
///
/// # Examples
///
/// ```
/// use wayside::{Error, Response, StatusCode, client};
///
/// async fn handle() -> Result<Response, Error> {
///     match client::get("https://api.example.org/").await {
///         Err(error) if error.is_timeout() || error.is_connect() => {
///             Err(Error::new(StatusCode::SERVICE_UNAVAILABLE, "come back later").with_source(error))
///         }
///         // `?` turns every other error into a 502 response.
///         response => Ok(response?),
///     }
/// }
/// ```
// Boxed to keep `Result<Response, _>` no larger than a response.
pub struct Error(Box<Failure>);

struct Failure {
    kind: Kind,
    target: Option<Target>,
    message: String,
    /// The status of the response, if the call failed because of that status.
    status: Option<StatusCode>,
    /// How often the request was sent.
    attempts: u32,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The request that failed.
struct Target {
    method: Method,
    /// Without credentials. May be invalid.
    url: String,
}

impl Error {
    /// Whether a time limit ran out.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.0.kind == Kind::Timeout
    }

    /// Whether the name of the server could not be resolved.
    #[must_use]
    pub fn is_dns(&self) -> bool {
        self.0.kind == Kind::Dns
    }

    /// Whether no connection to the server could be made, for example because it refused or cannot be reached.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        self.0.kind == Kind::Connect
    }

    /// Whether TLS failed: the handshake, or the server's certificate.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.kind == Kind::Tls
    }

    /// Whether the host does not allow this call.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.0.kind == Kind::Denied
    }

    /// Whether the response broke off before its end.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.0.kind == Kind::Incomplete
    }

    /// Whether the request itself is at fault, for example its URL, its method or its headers.
    #[must_use]
    pub fn is_request(&self) -> bool {
        self.0.kind == Kind::Request
    }

    /// Whether the body of the request failed while it was sent.
    #[must_use]
    pub fn is_body(&self) -> bool {
        self.0.kind == Kind::Body
    }

    /// Whether a redirect could not be followed: its URL is not valid, the policy of the client refused it, or there
    /// were more redirects than the client allows.
    #[must_use]
    pub fn is_redirect(&self) -> bool {
        self.0.kind == Kind::Redirect
    }

    /// Whether the host does not support a feature that the call needs, such as a time limit.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        self.0.kind == Kind::Unsupported
    }

    /// Whether the response had an error status; see
    /// [`error_for_status`](crate::client::ResponseExt::error_for_status).
    #[must_use]
    pub fn is_status(&self) -> bool {
        self.0.kind == Kind::Status
    }

    /// Whether another attempt may succeed: a time limit ran out, the server could not be found or reached, the
    /// response broke off, or its status was 408, 425, 429, 500, 502, 503 or 504.
    ///
    /// Says nothing about whether the request can safely be sent again: the server may have acted on it. See
    /// [`ClientBuilder::retry`](crate::client::ClientBuilder::retry).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self.0.kind {
            Kind::Timeout | Kind::Dns | Kind::Connect | Kind::Incomplete => true,
            _ => self.0.status.is_some_and(is_transient),
        }
    }

    /// The status of the response, if [`is_status`](Self::is_status).
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.0.status
    }

    /// The method of the request that failed. After a redirect, that is the method of the last request.
    ///
    /// `None` only for an error of [`error_for_status`](crate::client::ResponseExt::error_for_status) about a response
    /// that [`client::send`](crate::client::send) returned, or whose body was replaced.
    #[must_use]
    pub fn method(&self) -> Option<&Method> {
        self.0.target.as_ref().map(|target| &target.method)
    }

    /// The URL of the request that failed, without credentials. After a redirect, that is the URL of the last request.
    /// A text, because the URL itself may be what is invalid.
    ///
    /// `None` in the same cases as [`method`](Self::method).
    ///
    /// # Examples
    ///
    /// ```
    /// # wayside::test::block_on(async {
    /// let error = wayside::client::get("http://user:secret@a b.test/").await.unwrap_err();
    /// assert_eq!(error.url(), Some("http://a b.test/"));
    /// assert_eq!(error.method(), Some(&wayside::Method::GET));
    /// # });
    /// ```
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.0.target.as_ref().map(|target| &*target.url)
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Failure { kind, target: None, message: message.into(), status: None, attempts: 1, source: None }))
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = Some(status);
        self
    }

    #[cfg(feature = "retry")]
    pub(crate) fn with_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn with_target(mut self, method: &Method, uri: &Uri) -> Self {
        self.0.target = Some(Target { method: method.clone(), url: url::shown_uri(uri) });
        self
    }

    /// Adds the method and the URL, which may be invalid, to the text of the error.
    pub(crate) fn with_url(mut self, method: &Method, url: &[u8]) -> Self {
        self.0.target = Some(Target { method: method.clone(), url: url::shown(url) });
        self
    }
}

/// Whether the same request may get another status later (RFC 9110, section 15; RFC 8470, section 5.2; RFC 6585).
pub(crate) fn is_transient(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Target { method, url }) = &self.0.target {
            write!(f, "{method} {url}: ")?;
        }
        f.write_str(&self.0.message)?;
        match self.0.attempts {
            1 => Ok(()),
            attempts => write!(f, " (after {attempts} attempts)"),
        }
    }
}

/// Formats like `Display`, because derived `Debug` code is large.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_stay_out_of_the_text() {
        let uri = Uri::from_static("http://user:secret@example.org/path?q=1");
        let error = Error::new(Kind::Connect, "connection refused").with_target(&Method::GET, &uri);
        assert_eq!(error.to_string(), "GET http://example.org/path?q=1: connection refused");
    }
}
