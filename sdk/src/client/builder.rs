//! The client and its settings.

use std::future::Future;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::redirect::{self, Next};
use super::{Error, Kind, RequestBuilder, Timeouts, exchange};
use crate::sys::{Here, World};
use crate::{Body, Request, Response};

/// How long a whole exchange may take unless the client says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How many redirects are followed unless the client says otherwise.
const REDIRECTS: u32 = 10;

/// Sends requests with settings of its own. Cheap to make; a handler may make one for each request.
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
    headers: HeaderMap,
}

/// Makes a [`Client`].
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
    /// Makes a client with the default settings: 30 seconds for a whole exchange, up to 10 redirects.
    #[must_use]
    pub fn new() -> Self {
        let timeouts = Timeouts { total: Some(TIMEOUT), ..Timeouts::default() };
        Self { timeouts, redirects: REDIRECTS, headers: HeaderMap::new() }
    }

    /// Starts from the default settings.
    pub fn builder() -> ClientBuilder {
        ClientBuilder { client: Self::new() }
    }

    /// Starts a request. A URL that is none is reported when the request is sent.
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
    pub fn request<U>(&self, method: Method, url: U) -> RequestBuilder
    where
        U: TryInto<Uri, Error: std::error::Error + Send + Sync + 'static>,
    {
        let uri =
            url.try_into().map_err(|source| Error::new(Kind::Request, "the URL is not valid").with_source(source));
        RequestBuilder::new(self.clone(), method, uri)
    }

    /// Starts a GET request.
    pub fn get<U>(&self, url: U) -> RequestBuilder
    where
        U: TryInto<Uri, Error: std::error::Error + Send + Sync + 'static>,
    {
        self.request(Method::GET, url)
    }

    /// Starts a POST request.
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
    pub fn post<U>(&self, url: U) -> RequestBuilder
    where
        U: TryInto<Uri, Error: std::error::Error + Send + Sync + 'static>,
    {
        self.request(Method::POST, url)
    }

    /// Starts a PUT request.
    pub fn put<U>(&self, url: U) -> RequestBuilder
    where
        U: TryInto<Uri, Error: std::error::Error + Send + Sync + 'static>,
    {
        self.request(Method::PUT, url)
    }

    /// Starts a DELETE request.
    pub fn delete<U>(&self, url: U) -> RequestBuilder
    where
        U: TryInto<Uri, Error: std::error::Error + Send + Sync + 'static>,
    {
        self.request(Method::DELETE, url)
    }

    /// Sends a request of the `http` crate's type.
    ///
    /// # Errors
    ///
    /// Fails like [`RequestBuilder::send`].
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
        let request = Box::new(request.map(Into::into));
        async move { self.run(request, self.timeouts.total).await.map(|response| *response) }
    }

    pub(super) fn total(&self) -> Option<Duration> {
        self.timeouts.total
    }

    /// Sends a request and follows redirects, all within the time limit.
    pub(super) async fn run(&self, mut request: Box<Request>, total: Option<Duration>) -> Result<Box<Response>, Error> {
        for name in self.headers.keys() {
            if !request.headers().contains_key(name) {
                for value in self.headers.get_all(name) {
                    request.headers_mut().append(name, value.clone());
                }
            }
        }
        let start = total.map(|_| Here::now());
        let mut left = self.redirects;
        loop {
            let spent = match start {
                // The first exchange starts with all of the time.
                Some(start) if left < self.redirects => Here::now().saturating_sub(start),
                _ => Duration::ZERO,
            };
            let timeouts = Timeouts { total: total.map(|total| total.saturating_sub(spent)), ..self.timeouts };
            if self.redirects == 0 {
                return exchange(request, timeouts)?.await;
            }
            let again = redirect::Again::of(&request);
            let response = exchange(request, timeouts)?.await?;
            match again.next(&response)? {
                Next::Done => return Ok(response),
                Next::Request(next) if left > 0 => {
                    left -= 1;
                    request = next;
                }
                Next::Request(next) => {
                    let error = Error::new(Kind::Redirect, format!("more than {} redirects", self.redirects));
                    return Err(error.with_target(next.method(), next.uri()));
                }
            }
        }
    }
}

impl ClientBuilder {
    /// Limits the whole exchange, from the first byte sent to the last byte of the response's body, redirects included.
    ///
    /// It is kept by the component's own clock, so it holds also where the host has no limit, as for a TLS handshake that
    /// hangs. 30 seconds by default.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.client.timeouts.total = Some(limit);
        self
    }

    /// Lets an exchange take as long as it takes.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use wayside::client::Client;
    ///
    /// // A download may take as long as it takes, but not stand still.
    /// let client = Client::builder().no_timeout().between_bytes_timeout(Duration::from_secs(10)).build();
    /// # let _: Client = client;
    /// ```
    pub fn no_timeout(mut self) -> Self {
        self.client.timeouts.total = None;
        self
    }

    /// Limits the time to connect. The host keeps it; without a call the host's own limit holds.
    ///
    /// A host that cannot keep it makes requests fail with [`Error::is_unsupported`].
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.client.timeouts.connect = Some(limit);
        self
    }

    /// Limits the wait for the head of the response, counted from the moment the request is sent. The host keeps it;
    /// without a call the host's own limit holds.
    ///
    /// A host that cannot keep it makes requests fail with [`Error::is_unsupported`].
    pub fn first_byte_timeout(mut self, limit: Duration) -> Self {
        self.client.timeouts.first_byte = Some(limit);
        self
    }

    /// Limits the pauses within the body of the response; each piece that arrives starts the time anew. The host keeps
    /// it; without a call the host's own limit holds.
    ///
    /// A host that cannot keep it makes requests fail with [`Error::is_unsupported`].
    pub fn between_bytes_timeout(mut self, limit: Duration) -> Self {
        self.client.timeouts.between_bytes = Some(limit);
        self
    }

    /// Follows at most so many redirects; 10 by default, none with 0: then a 3xx response is a response like others.
    ///
    /// A redirect to another origin takes neither `authorization` nor `cookie` with it. A body is sent again after a 307
    /// or 308 where it is bytes at hand; one that streams is not, and the redirect is the response.
    pub fn redirects(mut self, most: u32) -> Self {
        self.client.redirects = most;
        self
    }

    /// Sends a field with each request that does not set it itself.
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

    /// Makes the client.
    #[must_use]
    pub fn build(self) -> Client {
        self.client
    }
}
