//! Outbound calls that are expected, and what answers them.

use std::fmt::Write as _;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};

use super::{Upstream, equivalence};
use crate::{IntoResponse, Request, Response, url};

type Reply = Arc<dyn Fn(Request<Bytes>) -> Response + Send + Sync>;

/// Answers the calls that it expects, the first that fits, and panics at any other with what did not fit.
///
/// # Examples
///
/// ```
/// use wayside::{client, test};
/// use wayside::test::{Call, Mock};
///
/// let mock = Mock::new()
///     .reply(Call::get("http://api.example/users/7"), |_| r#"{"name": "Ada"}"#)
///     .reply(Call::post("http://api.example/users").header("x-key", "secret").body("Grace"), |_| "made");
/// let _upstream = test::outbound(mock);
///
/// let user = test::block_on(async { client::get("http://api.example/users/7").await?.into_body().text().await.map_err(wayside::Error::from) });
/// # let user: Result<String, wayside::Error> = user;
/// assert_eq!(user.unwrap(), r#"{"name": "Ada"}"#);
/// ```
#[derive(Default)]
pub struct Mock {
    replies: Vec<(Call, Reply)>,
}

impl Mock {
    /// Makes a mock that expects nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Expects a call, any number of times, and answers it with what a function makes of the request.
    #[must_use]
    pub fn reply<F, R>(mut self, call: Call, reply: F) -> Self
    where
        F: Fn(Request<Bytes>) -> R + Send + Sync + 'static,
        R: IntoResponse,
    {
        self.replies.push((call, Arc::new(move |request| reply(request).into_response())));
        self
    }
}

impl std::fmt::Debug for Mock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.replies.iter().map(|(call, _)| call)).finish()
    }
}

/// A call that a [`Mock`] expects. What is not set fits everything.
///
/// # Examples
///
/// ```
/// use wayside::Method;
/// use wayside::test::{Call, Mock};
///
/// let call = Call::new(Method::DELETE, "http://api.example/users/7").header("authorization", "Bearer secret");
/// let mock = Mock::new().reply(call, |_| "gone").reply(Call::any(), |request| request.uri().to_string());
/// # let _: Mock = mock;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Call {
    method: Option<Method>,
    url: Option<String>,
    headers: Vec<(String, String)>,
    body: Option<Bytes>,
}

impl Call {
    /// Expects any call.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Expects a method and a URL, query and all.
    ///
    /// Equivalent URLs fit (RFC 9110, section 4.2.3): scheme and host have no case, the default port is as good as none, an empty
    /// path is `/`, and `%7E` is `~`. A slash at the end of a path is part of it.
    #[must_use]
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self { method: Some(method), url: Some(url.into()), ..Self::default() }
    }

    /// Expects a GET of a URL.
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::GET, url)
    }

    /// Expects a POST to a URL.
    #[must_use]
    pub fn post(url: impl Into<String>) -> Self {
        Self::new(Method::POST, url)
    }

    /// Expects a field with a value, among others that it may have.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Expects a body, byte for byte.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// A line for each part that does not fit.
    fn misfits(&self, request: &Request<Bytes>) -> Vec<String> {
        let mut lines = Vec::new();
        let mut compare = |what: &str, expected: &str, found: &str| {
            if expected != found {
                lines.push(format!("{what}: expected `{expected}`, found `{found}`"));
            }
        };
        if let Some(method) = &self.method {
            compare("method", method.as_str(), request.method().as_str());
        }
        if let Some(expected) = &self.url
            && !is_url(expected, request.uri())
        {
            compare("URL", expected, &request.uri().to_string());
        }
        for (name, value) in &self.headers {
            let fits = |found: &HeaderValue| found.as_bytes() == value.as_bytes();
            let found: Vec<_> = match HeaderName::try_from(name) {
                Ok(name) => request.headers().get_all(name).iter().collect(),
                Err(_) => Vec::new(),
            };
            if !found.iter().any(|found| fits(found)) {
                let found: Vec<_> = found.iter().map(|found| String::from_utf8_lossy(found.as_bytes())).collect();
                let found = if found.is_empty() { "nothing".to_owned() } else { found.join("`, `") };
                compare(&format!("field {name}"), value, &found);
            }
        }
        if let Some(body) = &self.body
            && body != request.body()
        {
            compare("body", &String::from_utf8_lossy(body), &String::from_utf8_lossy(request.body()));
        }
        lines
    }
}

/// Whether a call goes to an expected URL, which may be written as it is sent or as the client takes it.
fn is_url(expected: &str, uri: &Uri) -> bool {
    equivalence::is_same(expected, uri)
        || url::parse(&expected.to_owned().into()).is_ok_and(|url| equivalence::is_same(&url.uri.to_string(), uri))
}

impl Upstream for Mock {
    #[expect(clippy::panic, reason = "this is how a test fails")]
    fn answer(&self, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        let replies = self.replies.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = match body.bytes().await {
                Ok(body) => body,
                // The caller's own body failed; the host would not have sent the request either.
                Err(_) => return StatusCode::BAD_REQUEST.into_response(),
            };
            let request = Request::from_parts(parts, body);
            let mut unfit = String::new();
            for (number, (call, reply)) in replies.iter().enumerate() {
                let misfits = call.misfits(&request);
                if misfits.is_empty() {
                    return reply(request);
                }
                // Writing to a `String` never fails.
                let _ = writeln!(unfit, "  call {}:", number + 1);
                misfits.into_iter().for_each(|line| unfit.push_str(&format!("    {line}\n")));
            }
            panic!("no expected call fits {} {}:\n{unfit}", request.method(), request.uri());
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{client, test};

    fn request() -> Request<Bytes> {
        Request::post("http://a.test/x?y=1").header("k", "1").header("k", "2").body(Bytes::from("hi")).unwrap()
    }

    #[test]
    fn what_is_not_set_fits_everything() {
        assert!(Call::any().misfits(&request()).is_empty());
        assert!(Call::post("http://a.test/x?y=1").header("k", "2").body("hi").misfits(&request()).is_empty());
    }

    #[test]
    fn a_url_fits_as_it_was_written_and_as_it_was_sent() {
        for expected in ["http://a.test/caf\u{e9} au lait", "http://a.test/caf%C3%A9%20au%20lait"] {
            let _upstream = test::outbound(Mock::new().reply(Call::get(expected), |_| "here"));
            assert!(test::block_on(client::get("http://a.test/caf\u{e9} au lait")).is_ok(), "{expected}");
        }
    }

    #[test]
    fn a_slash_at_the_end_of_a_path_is_part_of_it() {
        let request = |url: &str| Request::get(url).body(Bytes::new()).unwrap();
        assert!(Call::get("http://a.test").misfits(&request("http://A.test:80/")).is_empty());
        assert_eq!(
            Call::get("http://a.test/a").misfits(&request("http://a.test/a/")),
            ["URL: expected `http://a.test/a`, found `http://a.test/a/`"]
        );
    }

    #[test]
    fn each_part_that_does_not_fit_has_a_line_with_both_sides() {
        let call = Call::get("http://a.test/").header("k", "3").header("z", "1").body("ho");
        assert_eq!(
            call.misfits(&request()),
            [
                "method: expected `GET`, found `POST`",
                "URL: expected `http://a.test/`, found `http://a.test/x?y=1`",
                "field k: expected `3`, found `1`, `2`",
                "field z: expected `1`, found `nothing`",
                "body: expected `ho`, found `hi`",
            ]
        );
    }

    #[test]
    fn an_unexpected_call_panics_with_the_difference() {
        let _upstream = test::outbound(Mock::new().reply(Call::get("http://a.test/one"), |_| "one"));
        let panic = std::panic::catch_unwind(|| test::block_on(client::get("http://a.test/two"))).unwrap_err();
        let text = panic.downcast_ref::<String>().unwrap();
        assert!(text.contains("no expected call fits GET http://a.test/two"), "{text}");
        assert!(text.contains("URL: expected `http://a.test/one`, found `http://a.test/two`"), "{text}");
    }
}
