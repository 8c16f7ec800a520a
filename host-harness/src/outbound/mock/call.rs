//! Expected calls of a mock.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, Method, Request};
use serde::Serialize;

use super::Times;
use crate::outbound::difference::{Difference, values};
use crate::outbound::json::Json;
use crate::outbound::url;
use crate::show;

type Condition = Arc<dyn Fn(&Request<Bytes>) -> bool + Send + Sync>;

/// A call that a [`Mock`](super::Mock) expects. Properties that are not set match everything.
#[derive(Clone, Default)]
pub struct Call {
    method: Option<Method>,
    url: Option<String>,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Option<Expected>,
    conditions: Vec<(String, Condition)>,
    /// `None` if the test has not set it.
    pub(super) times: Option<Times>,
}

#[derive(Clone, Debug)]
enum Expected {
    Bytes(Bytes),
    Json(Json),
}

impl Call {
    /// Expects any call.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Expects a method and a URL, including its query. Each `*` matches any text, even an empty one and one with
    /// slashes.
    ///
    /// Equivalent URLs match (RFC 9110, section 4.2.3): scheme and host are case-insensitive, the default port equals
    /// no port, an empty path is `/`, and `%7E` is `~`. A slash at the end of a path is significant. A URL without a
    /// path also matches `OPTIONS *`. User information is not compared.
    #[must_use]
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self::any().method(method).url(url)
    }

    /// Expects a GET of a URL; see [`new`](Self::new).
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::GET, url)
    }

    /// Expects a POST to a URL; see [`new`](Self::new).
    #[must_use]
    pub fn post(url: impl Into<String>) -> Self {
        Self::new(Method::POST, url)
    }

    /// Expects a method.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// Expects a URL; see [`new`](Self::new).
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Expects a query parameter; the query may have others. Name and value are given without percent-encoding.
    ///
    /// The expected URL is then compared only with the part before the `?`.
    #[must_use]
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Expects a header with a value; the header may have other values as well.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Expects a body, byte for byte.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(Expected::Bytes(body.into()));
        self
    }

    /// Expects a body with this JSON document. White space and key order do not matter. Numbers are compared by value
    /// and to the last digit, so `1` equals `1.0`.
    ///
    /// # Panics
    ///
    /// Panics if the value cannot be serialized, for example a map with keys that are not strings.
    #[must_use]
    pub fn json(self, body: impl Serialize) -> Self {
        match Json::of(body) {
            Ok(document) => self.document(document),
            Err(error) => panic!("the expected body is no JSON: {error}"),
        }
    }

    pub(super) fn document(mut self, body: Json) -> Self {
        self.body = Some(Expected::Json(body));
        self
    }

    /// Expects a request for which a function returns true. `what` names this condition in messages, for example
    /// `an even number of users`.
    #[must_use]
    pub fn matches<F>(mut self, what: impl Into<String>, condition: F) -> Self
    where
        F: Fn(&Request<Bytes>) -> bool + Send + Sync + 'static,
    {
        self.conditions.push((what.into(), Arc::new(condition)));
        self
    }

    /// Sets how often the call is expected: `2`, `1..=3`, `..` for any number. The default is once or more, and once if the calls come in order ([`Mock::in_order`](super::Mock::in_order)).
    ///
    /// Once the call has come as often as allowed, later expected calls that match the same request apply.
    #[must_use]
    pub fn times(mut self, times: impl Into<Times>) -> Self {
        self.times = Some(times.into());
        self
    }

    /// Whether the body of a request is needed to decide whether the request matches.
    pub(super) fn needs_body(&self) -> bool {
        self.body.is_some() || !self.conditions.is_empty()
    }

    /// Returns the differences between this call and a request.
    pub(super) fn difference(&self, request: &Request<Bytes>) -> Difference {
        let mut difference = Difference::default();
        if let Some(method) = &self.method {
            difference.method(method.as_str(), request.method().as_str());
        }
        if let Some(expected) = &self.url {
            let with_query = self.query.is_empty();
            if !url::fits(expected, request.uri(), with_query) {
                // Leaves out user information, because it is never sent to a server.
                let (expected, found) = (show::bare_urls(expected), show::bare_urls(&request.uri().to_string()));
                difference
                    .url(&expected, if with_query { &found } else { found.split('?').next().unwrap_or_default() });
            }
        }
        for (name, value) in &self.query {
            let found = parameters(request, name);
            if !found.contains(value) {
                difference.query(name, value, &found);
            }
        }
        for (name, value) in &self.headers {
            let found = HeaderName::try_from(name).map(|name| values(request.headers(), &name)).unwrap_or_default();
            if !found.contains(value) {
                difference.field_value(name, value, &found);
            }
        }
        match &self.body {
            Some(Expected::Bytes(body)) => difference.body(body, request.body()),
            Some(Expected::Json(value)) => difference.json(value, request.body()),
            None => {}
        }
        for (what, _) in self.conditions.iter().filter(|(_, condition)| !condition(request)) {
            difference.condition(what);
        }
        difference
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.method, self.url.as_deref().map(show::urls)) {
            (Some(method), Some(url)) => write!(f, "{method} {url}"),
            (Some(method), None) => write!(f, "{method} of any URL"),
            (None, Some(url)) => write!(f, "any method, {url}"),
            (None, None) => f.write_str("any call"),
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("url", &self.url)
            .field("query", &self.query)
            .field("headers", &self.headers)
            .field("body", &self.body)
            .field("conditions", &self.conditions.iter().map(|(what, _)| what).collect::<Vec<_>>())
            .field("times", &self.times)
            .finish()
    }
}

/// Returns the values of a query parameter.
fn parameters(request: &Request<Bytes>, name: &str) -> Vec<String> {
    let query = request.uri().query().unwrap_or_default();
    let all: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
    all.into_iter().filter(|(found, _)| found == name).map(|(_, value)| value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request<Bytes> {
        Request::post("http://a.test/x?y=1&z=a+b%2Fc")
            .header("k", "1")
            .header("k", "2")
            .body(Bytes::from(r#"{"a": 1}"#))
            .unwrap()
    }

    #[test]
    fn what_is_not_set_fits_everything() {
        assert!(Call::any().difference(&request()).is_empty());
        let exact = Call::post("http://a.test/x?y=1&z=a+b%2Fc").header("k", "2").body(r#"{"a": 1}"#);
        assert!(exact.difference(&request()).is_empty());
        let loose = Call::any().url("http://a.test/*").query("z", "a b/c").json(serde_json::json!({"a": 1}));
        assert!(loose.difference(&request()).is_empty());
    }

    #[test]
    fn each_part_that_does_not_fit_has_a_line_with_both_sides() {
        let call = Call::get("http://a.test/")
            .query("y", "2")
            .query("n", "0")
            .header("k", "3")
            .header("z", "1")
            .body("ho")
            .matches("an odd number of fields", |request| request.headers().len() % 2 == 1);
        assert_eq!(
            call.difference(&request()).lines,
            [
                "method: expected `GET`, found `POST`",
                "URL: expected `http://a.test/`, found `http://a.test/x`",
                "query y: expected `2`, found `1`",
                "query n: expected `0`, found nothing",
                "field k: expected `3`, found `1`, `2`",
                "field z: expected `1`, found nothing",
                r#"body: expected `ho`, found `{"a": 1}`"#,
                "condition: expected an odd number of fields",
            ]
        );
    }

    #[test]
    fn user_and_password_in_a_url_are_neither_compared_nor_shown() {
        let request = |url: &str| Request::get(url).body(Bytes::new()).unwrap();
        for expected in ["http://a.test/", "http://bob:2@a.test/", "http://*@a.test/"] {
            assert!(Call::get(expected).difference(&request("http://ada:1@a.test/")).is_empty(), "{expected}");
        }
        let call = Call::get("http://ada:s3cret@a.test/x");
        let text = format!("{call} {:?}", call.difference(&request("http://ada:s3cret@a.test/y")).lines);
        assert!(!text.contains("s3cret"), "{text}");
    }
}
