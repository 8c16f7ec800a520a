//! The request builder.

use std::fmt::Write as _;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::run::Terms;
use super::{Client, Error, Kind};
use crate::url::Url;
use crate::{Body, Request, Response};

/// Builds a request. Invalid values, such as a header name with a space, do not fail until [`send`](Self::send).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use wayside::Response;
/// use wayside::client::{Client, Error};
///
/// async fn search() -> Result<Response, Error> {
///     Client::new()
///         .get("https://api.example.org/search?q=wit")
///         .header("accept", "application/json")
///         .bearer_auth("secret")
///         .timeout(Duration::from_secs(5))
///         .send()
///         .await
/// }
/// ```
#[derive(Debug)]
#[must_use = "call `send` to send the request"]
pub struct RequestBuilder {
    // Boxed, because each method moves the whole builder.
    draft: Box<Draft>,
}

#[derive(Debug)]
struct Draft {
    client: Client,
    request: Result<Box<Request>, Error>,
    media_type: Option<MediaType>,
    /// The fragment of the URL, which is not sent.
    fragment: Option<Box<str>>,
    timeout: Option<Duration>,
    /// Whether the request may arrive more than once, whatever its method.
    is_retryable: bool,
}

/// The media type of a body that the builder encoded.
#[derive(Clone, Debug)]
#[allow(dead_code, reason = "each variant needs a feature")]
enum MediaType {
    /// Applies if the request has no `content-type`.
    Default(HeaderValue),
    /// Replaces any `content-type`, because it contains the boundary of the form.
    Fixed(HeaderValue),
}

impl RequestBuilder {
    pub(super) fn new(client: Client, method: Method, url: Result<Url, Error>) -> Self {
        let mut fragment = None;
        let request = url.map(|url| {
            let mut request = Box::new(Request::new(Body::empty()));
            *request.method_mut() = method;
            *request.uri_mut() = url.uri;
            fragment = url.fragment;
            request
        });
        Self {
            draft: Box::new(Draft { client, request, fragment, media_type: None, timeout: None, is_retryable: false }),
        }
    }

    fn change(mut self, change: impl FnOnce(&mut Request) -> Result<(), Error>) -> Self {
        if let Ok(request) = &mut self.draft.request
            && let Err(error) = change(request)
        {
            let error = error.with_target(request.method(), request.uri());
            self.draft.request = Err(error);
        }
        self
    }

    /// Adds a header. Keeps earlier headers of the same name; all are sent, in order.
    ///
    /// A `content-type` replaces the one that `json` and `form` set by default.
    pub fn header<K, V>(self, name: K, value: V) -> Self
    where
        K: TryInto<HeaderName, Error: std::error::Error + Send + Sync + 'static>,
        V: TryInto<HeaderValue, Error: std::error::Error + Send + Sync + 'static>,
    {
        self.change(|request| {
            let name = name.try_into().map_err(|error| invalid("a header name", error))?;
            let value = value.try_into().map_err(|error| invalid("a header value", error))?;
            request.headers_mut().append(name, value);
            Ok(())
        })
    }

    /// Sets headers. They replace earlier headers of the same names.
    ///
    /// # Examples
    ///
    /// ```
    /// # use wayside::client::{Client, Error};
    /// # use wayside::HeaderMap;
    /// # async fn ask(headers: HeaderMap) -> Result<wayside::Response, Error> {
    /// Client::new().get("https://api.example.org/").headers(headers).send().await
    /// # }
    /// ```
    pub fn headers(self, headers: HeaderMap) -> Self {
        self.change(|request| {
            request.headers_mut().extend(headers);
            Ok(())
        })
    }

    /// Sets the `authorization` header to a bearer token (RFC 6750).
    pub fn bearer_auth(self, token: impl AsRef<str>) -> Self {
        let value = format!("Bearer {}", token.as_ref());
        self.change(|request| set_authorization(request, &value))
    }

    /// Sets the `authorization` header to a user name and a password (RFC 7617).
    ///
    /// # Examples
    ///
    /// ```
    /// # use wayside::client::{Client, Error};
    /// # async fn ask() -> Result<wayside::Response, Error> {
    /// Client::new().get("https://api.example.org/").basic_auth("Ada", "secret").send().await
    /// # }
    /// ```
    pub fn basic_auth(self, name: impl AsRef<str>, password: impl AsRef<str>) -> Self {
        let value = format!("Basic {}", base64(format!("{}:{}", name.as_ref(), password.as_ref()).as_bytes()));
        self.change(|request| set_authorization(request, &value))
    }

    /// Adds parameters to the query of the URL. Needs the feature `form`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use wayside::client::{Client, Error};
    /// # async fn ask() -> Result<wayside::Response, Error> {
    /// // https://api.example.org/search?lang=en&q=two+words
    /// Client::new().get("https://api.example.org/search?lang=en").query(&[("q", "two words")]).send().await
    /// # }
    /// ```
    #[cfg(feature = "form")]
    pub fn query<T: serde::Serialize + ?Sized>(self, query: &T) -> Self {
        self.change(|request| {
            let added = serde_html_form::to_string(query).map_err(|error| invalid("the query", error))?;
            if added.is_empty() {
                return Ok(());
            }
            let path = request.uri().path();
            let target = match request.uri().query() {
                Some(query) if !query.is_empty() => format!("{path}?{query}&{added}"),
                _ => format!("{path}?{added}"),
            };
            let mut parts = request.uri().clone().into_parts();
            parts.path_and_query = Some(target.try_into().map_err(|error| invalid("the query", error))?);
            *request.uri_mut() = http::Uri::from_parts(parts).map_err(|error| invalid("the query", error))?;
            Ok(())
        })
    }

    /// Sets the body.
    pub fn body(self, body: impl Into<Body>) -> Self {
        self.set_body(None, || Ok(body.into()))
    }

    /// Sets the body to a JSON document. Sets `content-type: application/json` unless the request has a `content-type`.
    /// Needs the feature `json`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use wayside::client::{Client, Error};
    /// # async fn ask() -> Result<wayside::Response, Error> {
    /// Client::new().post("https://api.example.org/numbers").json(&[1, 2, 3]).send().await
    /// # }
    /// ```
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize + ?Sized>(self, document: &T) -> Self {
        let media_type = MediaType::Default(HeaderValue::from_static("application/json"));
        self.set_body(Some(media_type), || {
            Ok(serde_json::to_vec(document).map_err(|error| invalid("the document", error))?.into())
        })
    }

    /// Sets the body to a form. Sets `content-type: application/x-www-form-urlencoded` unless the request has a
    /// `content-type`. Needs the feature `form`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use wayside::client::{Client, Error};
    /// # async fn ask() -> Result<wayside::Response, Error> {
    /// Client::new().post("https://api.example.org/login").form(&[("name", "Ada")]).send().await
    /// # }
    /// ```
    #[cfg(feature = "form")]
    pub fn form<T: serde::Serialize + ?Sized>(self, form: &T) -> Self {
        let media_type = MediaType::Default(HeaderValue::from_static("application/x-www-form-urlencoded"));
        self.set_body(Some(media_type), || {
            Ok(serde_html_form::to_string(form).map_err(|error| invalid("the form", error))?.into())
        })
    }

    /// Sets the body to a multipart form. The media type of the form, which names the boundary, replaces any
    /// `content-type` of the request. Needs the feature `multipart`.
    #[cfg(feature = "multipart")]
    pub fn multipart(self, form: super::Form) -> Self {
        match HeaderValue::try_from(form.media_type()) {
            Ok(media_type) => self.set_body(Some(MediaType::Fixed(media_type)), || Ok(form.into_body())),
            Err(error) => self.change(|_| Err(invalid("the form", error))),
        }
    }

    fn set_body(mut self, media_type: Option<MediaType>, body: impl FnOnce() -> Result<Body, Error>) -> Self {
        self.draft.media_type = media_type;
        self.change(|request| {
            *request.body_mut() = body()?;
            Ok(())
        })
    }

    /// Sets the time limit of this request, in place of the client's [`timeout`](super::ClientBuilder::timeout).
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.draft.timeout = Some(limit);
        self
    }

    /// Declares that the server may get this request more than once, so that [`Retry`](super::Retry) sends it again
    /// also if its method is not idempotent. An example is a POST with an ID, by which the server recognizes it.
    ///
    /// Needs the feature `retry`.
    #[cfg(feature = "retry")]
    pub fn retryable(mut self) -> Self {
        self.draft.is_retryable = true;
        self
    }

    /// Copies the builder, to send the same request more than once. Returns `None` if the body streams, because a
    /// stream cannot be sent twice, and if a part of the request is invalid, which [`send`](Self::send) reports.
    ///
    /// # Examples
    ///
    /// ```
    /// # wayside::test::block_on(async {
    /// use wayside::client::Client;
    /// use wayside::test;
    ///
    /// let _upstream = test::outbound(async |request: wayside::Request| request.into_body());
    /// let first = Client::new().post("http://a.test/").body("hello");
    /// let second = first.try_clone().expect("the body is in memory");
    /// for request in [first, second] {
    ///     assert_eq!(request.send().await?.into_body().text().await?, "hello");
    /// }
    /// # Ok::<(), wayside::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn try_clone(&self) -> Option<Self> {
        self.draft.request.as_ref().ok().and_then(|request| Some(self.with_request(copy(request)?)))
    }

    /// Fails if the request is invalid, or if its body streams, so that it cannot be sent again.
    pub(crate) fn into_resendable(self) -> Result<Self, Error> {
        match self.draft.request {
            Ok(request) if request.body().share().is_none() => {
                let reason = "the request cannot be sent again, because its body is a stream";
                Err(Error::new(Kind::Request, reason).with_target(request.method(), request.uri()))
            }
            Err(error) => Err(error),
            Ok(request) => Ok(Self { draft: Box::new(Draft { request: Ok(request), ..*self.draft }) }),
        }
    }

    fn with_request(&self, request: Box<Request>) -> Self {
        let Draft { client, request: _, fragment, media_type, timeout, is_retryable } = &*self.draft;
        let draft = Draft {
            client: client.clone(),
            request: Ok(request),
            media_type: media_type.clone(),
            fragment: fragment.clone(),
            timeout: *timeout,
            is_retryable: *is_retryable,
        };
        Self { draft: Box::new(draft) }
    }

    /// Removes the time limit that the client sets.
    pub(crate) fn without_time_limit_of_client(mut self) -> Self {
        self.draft.client.timeouts.total = None;
        self
    }

    /// Sets a header unless the request has one of that name.
    pub(crate) fn default_header(self, name: HeaderName, value: HeaderValue) -> Self {
        self.change(|request| {
            request.headers_mut().entry(name).or_insert(value);
            Ok(())
        })
    }

    /// Sends the request and returns as soon as the response head has arrived. The request body is sent in the
    /// background; [`client::send`](super::send) describes how long it continues.
    ///
    /// # Errors
    ///
    /// Fails if a part of the request is invalid, and in the same cases as [`client::send`](super::send). Fails with
    /// [`Error::is_redirect`] if there are more redirects than the client allows, or if a redirect is invalid or the
    /// policy refuses it. Fails with [`Error::is_timeout`] once the time limit has passed. A response with a 4xx or 5xx
    /// status is not an error; see [`error_for_status`](super::ResponseExt::error_for_status).
    pub async fn send(self) -> Result<Response, Error> {
        let Draft { client, request, fragment, media_type, timeout, is_retryable } = *self.draft;
        let mut request = request?;
        let headers = request.headers_mut();
        match media_type {
            Some(MediaType::Default(media_type)) => _ = headers.entry(header::CONTENT_TYPE).or_insert(media_type),
            Some(MediaType::Fixed(media_type)) => _ = headers.insert(header::CONTENT_TYPE, media_type),
            None => {}
        }
        let terms = Terms { fragment, total: timeout.or(client.timeouts.total), is_retryable };
        client.run(request, terms).await.map(|response| *response)
    }
}

/// Copies a request, unless its body streams.
pub(super) fn copy(request: &Request) -> Option<Box<Request>> {
    let mut copy = Box::new(Request::new(request.body().share()?));
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    Some(copy)
}

fn set_authorization(request: &mut Request, value: &str) -> Result<(), Error> {
    let mut value = HeaderValue::try_from(value).map_err(|error| invalid("the authorization", error))?;
    value.set_sensitive(true);
    request.headers_mut().insert(header::AUTHORIZATION, value);
    Ok(())
}

fn invalid(what: &str, source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(Kind::Request, format!("{what} is not valid")).with_source(source)
}

/// Encodes bytes as Base64 (RFC 4648, section 4). Only the `authorization` header needs it, and one header does not
/// justify a dependency.
#[expect(clippy::indexing_slicing, reason = "a digit has six bits, and the alphabet 64 characters")]
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            if place > three.len() {
                text.push('=');
            } else {
                let digit = number >> (18 - 6 * place) & 0x3f;
                // Writing to a `String` never fails.
                let _ = text.write_char(ALPHABET[digit as usize].into());
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::{self, Call, Mock};

    #[test]
    fn base64_pads_as_rfc_4648_shows() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn every_part_of_a_request_reaches_the_server() {
        let expected = Call::post("http://a.test/x?y=1&z=a+b")
            .header("authorization", "Basic QWRhOjE=")
            .header("content-type", "application/json")
            .header("x-own", "1")
            .header("x-default", "2")
            .body("[1,2]");
        let _upstream = test::outbound(Mock::new().reply(expected, |_| "fits"));
        let client = Client::builder()
            .default_header(HeaderName::from_static("x-default"), HeaderValue::from_static("2"))
            .default_header(HeaderName::from_static("x-own"), HeaderValue::from_static("default"))
            .build();
        let request = client.post("http://a.test/x?y=1").basic_auth("Ada", "1").header("x-own", "1").json(&[1, 2]);
        #[cfg(feature = "form")]
        let request = request.query(&[("z", "a b")]);
        #[cfg(not(feature = "form"))]
        let request = request.change(|request| {
            *request.uri_mut() = http::Uri::from_static("http://a.test/x?y=1&z=a+b");
            Ok(())
        });
        assert_eq!(test::block_on(request.send()).unwrap().status(), 200);
    }

    /// Sends a request and returns the values of a header that the upstream receives.
    fn sent(request: RequestBuilder, name: &'static str) -> Vec<HeaderValue> {
        let _upstream = test::outbound(move |request: Request| async move {
            let values = request.headers().get_all(name).iter();
            let mut echoed = Response::new(Body::empty());
            values.for_each(|value| _ = echoed.headers_mut().append("x-sent", value.clone()));
            echoed
        });
        let response = test::block_on(request.send()).unwrap();
        response.headers().get_all("x-sent").iter().cloned().collect()
    }

    #[test]
    fn every_header_of_the_same_name_is_sent() {
        let request = Client::new().get("http://a.test/").header("x-own", "1").header("x-own", "2");
        assert_eq!(sent(request, "x-own"), ["1", "2"]);
        let name = HeaderName::from_static("x-own");
        let client = Client::builder().default_header(name.clone(), HeaderValue::from_static("3"));
        let client = client.default_header(name, HeaderValue::from_static("4")).build();
        assert_eq!(sent(client.get("http://a.test/"), "x-own"), ["3", "4"]);
    }

    #[cfg(feature = "json")]
    #[test]
    fn a_content_type_replaces_the_default_of_the_body_wherever_it_is_set() {
        let before = Client::new().post("http://a.test/").header("content-type", "application/hal+json").json(&1);
        assert_eq!(sent(before, "content-type"), ["application/hal+json"]);
        let after = Client::new().post("http://a.test/").json(&1).header("content-type", "application/hal+json");
        assert_eq!(sent(after, "content-type"), ["application/hal+json"]);
    }

    #[cfg(feature = "form")]
    #[test]
    fn the_last_body_sets_the_media_type() {
        let request = Client::new().post("http://a.test/").form(&[("a", "1")]).json(&1);
        assert_eq!(sent(request, "content-type"), ["application/json"]);
    }

    #[cfg(feature = "multipart")]
    #[test]
    fn the_media_type_of_a_form_with_files_names_its_boundary_in_any_case() {
        let form = super::super::Form::new().text("a", "1");
        let media_type = form.media_type();
        let request =
            Client::new().post("http://a.test/").multipart(form).header("content-type", "multipart/form-data");
        assert_eq!(sent(request, "content-type"), [media_type]);
    }

    #[test]
    fn what_is_not_valid_is_reported_when_it_is_sent() {
        let client = Client::new();
        for request in [
            client.get("http://a.test/").header("bad name", "x"),
            client.get("http://a.test/").header("x", "bad\nvalue"),
            client.get("http://a.test/").bearer_auth("bad\ntoken"),
            client.get("http://a b/"),
        ] {
            assert!(test::block_on(request.send()).unwrap_err().is_request());
        }
    }

    #[test]
    fn a_time_limit_runs_out_on_a_stopped_clock_too() {
        let _paused = test::pause();
        let _upstream = test::outbound(async |_| crate::time::sleep(Duration::from_secs(60)).await);
        let error = test::block_on(Client::new().get("http://a.test/").send()).unwrap_err();
        assert!(error.is_timeout(), "{error}");
        let patient = Client::new().get("http://a.test/").timeout(Duration::from_secs(61));
        assert!(test::block_on(patient.send()).is_ok());
    }
}
