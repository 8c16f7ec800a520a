//! The client and its settings.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::into_url::sealed::{Invalid, Parsed};
use super::policy::Policy;
use super::run::{Attempts, Terms};
use super::{Error, IntoUrl, Kind, Redirect, RedirectAction, RequestBuilder, Timeouts};
use crate::{Body, Request, Response, url};

/// The default time limit of a request, including its redirects and the response body.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The default maximum number of redirects.
const REDIRECTS: u32 = 10;

/// Sends requests that share settings, such as a time limit. A client is cheap to create; a handler may create one for
/// each request.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use wayside::Error;
/// use wayside::client::{Client, ResponseExt as _};
///
/// async fn handle() -> Result<String, Error> {
///     let client = Client::builder().timeout(Duration::from_secs(5)).redirects(0).build();
///     let response = client.get("https://api.example.org/users/7").bearer_auth("secret").send().await?;
///     Ok(response.error_for_status()?.into_body().text().await?)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) timeouts: Timeouts,
    pub(super) redirects: u32,
    pub(super) policy: Option<Policy>,
    pub(super) headers: HeaderMap,
    pub(super) attempts: Option<Arc<dyn Attempts>>,
}

/// Builds a [`Client`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use wayside::client::Client;
///
/// let client = Client::builder()
///     .timeout(Duration::from_secs(10))
///     .connect_timeout(Duration::from_secs(2))
///     .redirects(3)
///     .build();
/// # let _: Client = client;
/// ```
#[derive(Clone, Debug)]
#[must_use = "call `build` to get the client"]
pub struct ClientBuilder {
    client: Client,
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Client {
    /// Creates a client with the default settings: a time limit of 30 seconds and at most 10 redirects.
    #[must_use]
    pub fn new() -> Self {
        let timeouts = Timeouts { total: Some(TIMEOUT), ..Timeouts::default() };
        Self { timeouts, redirects: REDIRECTS, policy: None, headers: HeaderMap::new(), attempts: None }
    }

    /// Returns a builder with the default settings.
    pub fn builder() -> ClientBuilder {
        ClientBuilder { client: Self::new() }
    }

    /// Returns a builder for a request with this method and URL. [`RequestBuilder::send`] fails if the URL is invalid.
    ///
    /// # Examples
    ///
    /// ```
    /// use wayside::client::{Client, Error};
    /// use wayside::{Method, Response};
    ///
    /// async fn purge(url: &str) -> Result<Response, Error> {
    ///     Client::new().request(Method::from_bytes(b"PURGE").unwrap(), url).send().await
    /// }
    /// ```
    pub fn request<U: IntoUrl>(&self, method: Method, url: U) -> RequestBuilder {
        let url = match url.into_url() {
            Ok(Parsed(url)) => Ok(url),
            Err(Invalid { reason, text }) => Err(Error::new(Kind::Request, reason).with_url(&method, &text)),
        };
        RequestBuilder::new(self.clone(), method, url)
    }

    /// Returns a builder for a GET request.
    pub fn get<U: IntoUrl>(&self, url: U) -> RequestBuilder {
        self.request(Method::GET, url)
    }

    /// Returns a builder for a HEAD request.
    pub fn head<U: IntoUrl>(&self, url: U) -> RequestBuilder {
        self.request(Method::HEAD, url)
    }

    /// Returns a builder for a POST request.
    ///
    /// # Examples
    ///
    /// ```
    /// use wayside::client::{Client, Error};
    /// use wayside::Response;
    ///
    /// async fn note(text: String) -> Result<Response, Error> {
    ///     Client::new().post("https://api.example.org/notes").body(text).send().await
    /// }
    /// ```
    pub fn post<U: IntoUrl>(&self, url: U) -> RequestBuilder {
        self.request(Method::POST, url)
    }

    /// Returns a builder for a PUT request.
    pub fn put<U: IntoUrl>(&self, url: U) -> RequestBuilder {
        self.request(Method::PUT, url)
    }

    /// Returns a builder for a PATCH request.
    pub fn patch<U: IntoUrl>(&self, url: U) -> RequestBuilder {
        self.request(Method::PATCH, url)
    }

    /// Returns a builder for a DELETE request.
    pub fn delete<U: IntoUrl>(&self, url: U) -> RequestBuilder {
        self.request(Method::DELETE, url)
    }

    /// Sends a request that was built with the `http` crate.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`RequestBuilder::send`].
    ///
    /// # Examples
    ///
    /// ```
    /// use wayside::client::Client;
    /// use wayside::{Error, Request, Response};
    ///
    /// async fn replace() -> Result<Response, Error> {
    ///     let request = Request::patch("https://api.example.org/things/7").body("a thing")?;
    ///     Ok(Client::new().execute(request).await?)
    /// }
    /// ```
    pub fn execute<B: Into<Body>>(&self, request: Request<B>) -> impl Future<Output = Result<Response, Error>> + Send {
        let mut request: Box<Request> = Box::new(request.map(Into::into));
        url::encode_fully(request.uri_mut());
        let terms = Terms { fragment: None, total: self.timeouts.total, is_retryable: false };
        async move { self.run(request, terms).await.map(|response| *response) }
    }
}

impl ClientBuilder {
    /// Limits the time from the start of the request to the last byte of the response body, including redirects. The
    /// default is 30 seconds.
    ///
    /// The guest enforces this limit. So the limit also ends phases that the host does not limit, such as a TLS
    /// handshake that hangs.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.client.timeouts.total = Some(limit);
        self
    }

    /// Removes the limit that [`timeout`](Self::timeout) sets, including the default of 30 seconds.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use wayside::client::Client;
    ///
    /// // The whole download has no time limit, but each pause has one.
    /// let client = Client::builder().no_timeout().between_bytes_timeout(Duration::from_secs(10)).build();
    /// # let _: Client = client;
    /// ```
    pub fn no_timeout(mut self) -> Self {
        self.client.timeouts.total = None;
        self
    }

    /// Limits the time to connect to the server. The host enforces the limit and has its own default.
    ///
    /// If the host does not support this limit, requests fail with [`Error::is_unsupported`].
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.client.timeouts.connect = Some(limit);
        self
    }

    /// Limits the time from sending the request to the response head. The host enforces the limit and has its own
    /// default.
    ///
    /// If the host does not support this limit, requests fail with [`Error::is_unsupported`].
    pub fn first_byte_timeout(mut self, limit: Duration) -> Self {
        self.client.timeouts.first_byte = Some(limit);
        self
    }

    /// Limits the pause between two pieces of the response body. The host enforces the limit and has its own default.
    ///
    /// If the host does not support this limit, requests fail with [`Error::is_unsupported`].
    pub fn between_bytes_timeout(mut self, limit: Duration) -> Self {
        self.client.timeouts.between_bytes = Some(limit);
        self
    }

    /// Sets the maximum number of redirects to follow. The default is 10. With 0, a 3xx response is returned like any
    /// other response.
    ///
    /// A redirect to another origin (scheme, host or port) drops the headers `authorization`, `cookie`,
    /// `proxy-authorization` and `referer`, and every [sensitive](HeaderValue::is_sensitive) value. If the redirect
    /// keeps the method, as a 307 or 308 does, a body of bytes is sent again with its trailers. A streaming body cannot
    /// be sent twice, so the redirect response itself is returned. If the method becomes GET, the body and the headers
    /// that describe the body are dropped.
    pub fn redirects(mut self, most: u32) -> Self {
        self.client.redirects = most;
        self
    }

    /// Sets a function that decides whether to follow a redirect. The limit of [`redirects`](Self::redirects) still
    /// applies.
    ///
    /// # Examples
    ///
    /// ```
    /// use wayside::client::{Client, RedirectAction};
    ///
    /// // Follows redirects only to the authority of the first request.
    /// let client = Client::builder()
    ///     .redirect_policy(|redirect| match redirect.previous().first() {
    ///         Some(first) if first.authority() == redirect.url().authority() => RedirectAction::Follow,
    ///         _ => RedirectAction::Stop,
    ///     })
    ///     .build();
    /// # let _: Client = client;
    /// ```
    pub fn redirect_policy<F>(mut self, decide: F) -> Self
    where
        F: Fn(&Redirect<'_>) -> RedirectAction + Send + Sync + 'static,
    {
        self.client.policy = Some(Policy::new(decide));
        self
    }

    /// Sends a request again after a failure that may pass, within the whole [`timeout`](Self::timeout). By default,
    /// each request is sent once. Needs the feature `retry`.
    ///
    /// [`Retry`](super::Retry) describes which requests are sent again, and when.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use wayside::client::{Client, Error, Retry};
    ///
    /// async fn deliver(event: String) -> Result<wayside::Response, Error> {
    ///     let retry = Retry::new(5).attempt_timeout(Duration::from_secs(10));
    ///     let client = Client::builder().timeout(Duration::from_secs(60)).retry(retry).build();
    ///     // The receiver discards an event that it has already, so the POST may arrive twice.
    ///     client.post("https://hooks.example.org/").header("event-id", "7").body(event).retryable().send().await
    /// }
    /// ```
    #[cfg(feature = "retry")]
    pub fn retry(mut self, retry: super::Retry) -> Self {
        self.client.attempts = Some(Arc::new(retry));
        self
    }

    /// Adds a header to each request that does not set this header itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use wayside::client::Client;
    /// use wayside::{HeaderName, HeaderValue};
    ///
    /// let name = HeaderName::from_static("user-agent");
    /// let client = Client::builder().default_header(name, HeaderValue::from_static("wayside-app/1.0")).build();
    /// # let _: Client = client;
    /// ```
    pub fn default_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.client.headers.append(name, value);
        self
    }

    /// Returns the client.
    #[must_use]
    pub fn build(self) -> Client {
        self.client
    }
}
