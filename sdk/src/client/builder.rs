//! The client and its settings.

use std::future::Future;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::into_url::sealed::{Invalid, Parsed};
use super::policy::Policy;
use super::redirect::{self, NextStep};
use super::{Error, FinalUrl, IntoUrl, Kind, Redirect, RedirectAction, RequestBuilder, Timeouts, check};
use crate::sys::{Here, World};
use crate::url::{self, Url};
use crate::{Body, Request, Response};

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
    timeouts: Timeouts,
    redirects: u32,
    policy: Option<Policy>,
    headers: HeaderMap,
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
        Self { timeouts, redirects: REDIRECTS, policy: None, headers: HeaderMap::new() }
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
        async move { self.run(request, None, self.timeouts.total).await.map(|response| *response) }
    }

    pub(super) fn total(&self) -> Option<Duration> {
        self.timeouts.total
    }

    /// Sends a request and follows redirects within the time limit `total`. If the `location` of a redirect has no
    /// fragment, the final URL keeps the previous fragment.
    pub(super) async fn run(
        &self,
        mut request: Box<Request>,
        mut fragment: Option<Box<str>>,
        total: Option<Duration>,
    ) -> Result<Box<Response>, Error> {
        self.add_default_headers(&mut request);
        check(&mut request)?;
        let start = total.map(|_| Here::now());
        let mut followed = 0;
        let mut previous = Vec::new();
        loop {
            let spent = match start {
                // The first exchange gets the whole time limit, so the clock need not be read again.
                Some(start) if followed > 0 => Here::now().saturating_sub(start),
                _ => Duration::ZERO,
            };
            let timeouts = Timeouts { total: total.map(|total| total.saturating_sub(spent)), ..self.timeouts };
            let sent = redirect::SentRequest::of(&request, self.redirects > 0);
            let response = Here::send(request, timeouts).await?;
            match sent.next(&response)? {
                NextStep::Request(next) if followed < self.redirects => {
                    match self.decide(&response, &next, &mut previous) {
                        RedirectAction::Follow => {}
                        RedirectAction::Stop => return Ok(with_url(response, next.from, fragment)),
                        RedirectAction::Refuse => {
                            let error =
                                Error::new(Kind::Redirect, "the redirect was refused by the policy of the client");
                            return Err(error.with_target(next.request.method(), next.request.uri()));
                        }
                    }
                    followed += 1;
                    fragment = next.fragment.or(fragment);
                    request = next.request;
                }
                NextStep::Request(next) => {
                    let error = Error::new(Kind::Redirect, format!("more than {} redirects", self.redirects));
                    return Err(error.with_target(next.request.method(), next.request.uri()));
                }
                NextStep::Done(uri) => return Ok(with_url(response, uri, fragment)),
            }
        }
    }

    fn add_default_headers(&self, request: &mut Request) {
        for name in self.headers.keys() {
            if !request.headers().contains_key(name) {
                for value in self.headers.get_all(name) {
                    request.headers_mut().append(name, value.clone());
                }
            }
        }
    }

    /// Returns the decision of the redirect policy. Without a policy, every redirect is followed.
    fn decide(
        &self,
        response: &Response,
        next: &redirect::RedirectedRequest,
        previous: &mut Vec<Uri>,
    ) -> RedirectAction {
        let Some(policy) = &self.policy else { return RedirectAction::Follow };
        previous.push(next.from.clone());
        let (method, url) = (next.request.method(), next.request.uri());
        policy.decide(&Redirect { status: response.status(), method, url, previous })
    }
}

/// Stores the URL of a response in the body of the response.
fn with_url(mut response: Box<Response>, uri: Uri, fragment: Option<Box<str>>) -> Box<Response> {
    response.body_mut().set_url(FinalUrl(Url { uri, fragment }));
    response
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
