//! Expected calls of a mock.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use percent_encoding::percent_decode_str;

use super::{Times, url};
use crate::Request;

type Condition = Arc<dyn Fn(&Request<Bytes>) -> bool + Send + Sync>;

/// A call that a [`Mock`](super::Mock) expects. Properties that are not set match every call.
///
/// # Examples
///
/// ```
/// use wayside::Method;
/// use wayside::test::{Call, Mock};
///
/// let mock = Mock::new()
///     .reply(Call::new(Method::DELETE, "http://api.example/users/*").header("authorization", "Bearer secret"), "gone")
///     .reply(Call::get("http://api.example/users").query("page", "2").times(2), "[]")
///     .reply(Call::any().matches("a long body", |request| request.body().len() > 1000).times(..), "thanks");
/// # drop(mock.unverified());
/// ```
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
    #[cfg(feature = "json")]
    Json(serde_json::Value),
}

impl Call {
    /// Expects any call.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Expects a method and a URL with its query. Each `*` in the URL matches any text, including slashes and no text.
    ///
    /// Equivalent URLs match (RFC 9110, section 4.2.3): scheme and host are case-insensitive, the default port is
    /// optional, an empty path equals `/`, and `%7E` equals `~`. A slash at the end of a path is significant.
    #[must_use]
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self::any().method(method).url(url)
    }

    /// Expects a GET request to a URL; see [`new`](Self::new).
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::GET, url)
    }

    /// Expects a POST request to a URL; see [`new`](Self::new).
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

    /// Expects a query parameter; the query may contain other parameters too. Write name and value without
    /// percent-encoding. The expected URL is then compared with the URL of the request without its query.
    #[must_use]
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Expects a header with a value; the header may have other values too.
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

    /// Expects a body with this JSON document. White space and key order do not matter. Needs the feature `json`.
    ///
    /// # Panics
    ///
    /// Panics if the value cannot be serialized, for example a map with keys that are not strings.
    #[cfg(feature = "json")]
    #[must_use]
    #[expect(clippy::panic, reason = "this is how a test fails")]
    pub fn json(mut self, body: impl serde::Serialize) -> Self {
        match serde_json::to_value(body) {
            Ok(document) => self.body = Some(Expected::Json(document)),
            Err(error) => panic!("the expected body cannot be written as JSON: {error}"),
        }
        self
    }

    /// Expects that a function returns true for the request. `what` describes this condition in messages, for example
    /// `a long body`.
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
    /// Once an expected call has come as often as allowed, it no longer matches, and the expected calls after it are
    /// tried.
    #[must_use]
    pub fn times(mut self, times: impl Into<Times>) -> Self {
        self.times = Some(times.into());
        self
    }

    /// Returns a line for each property of a request that does not match.
    pub(super) fn mismatches(&self, request: &Request<Bytes>) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(method) = &self.method
            && method != request.method()
        {
            lines.push(misfit("method", method.as_str(), request.method().as_str()));
        }
        if let Some(expected) = &self.url
            && !url::fits(expected, request.uri(), self.query.is_empty())
        {
            lines.push(misfit("URL", expected, &request.uri().to_string()));
        }
        lines.extend(self.query.iter().filter_map(|(name, value)| query_misfit(name, value, request)));
        lines.extend(self.headers.iter().filter_map(|(name, value)| header_misfit(name, value, request)));
        lines.extend(self.body.as_ref().and_then(|expected| expected.misfit(request.body())));
        let unmet = self.conditions.iter().filter(|(_, condition)| !condition(request));
        lines.extend(unmet.map(|(what, _)| format!("condition: expected {what}")));
        lines
    }
}

fn misfit(what: &str, expected: &str, found: &str) -> String {
    format!("{what}: expected `{expected}`, found `{found}`")
}

fn query_misfit(name: &str, value: &str, request: &Request<Bytes>) -> Option<String> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = request.uri().query().unwrap_or_default().split('&');
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let found: Vec<String> = pairs.filter(|(key, _)| decode(key) == name).map(|(_, value)| decode(value)).collect();
    (!found.iter().any(|found| found == value)).then(|| misfit(&format!("parameter {name}"), value, &listed(&found)))
}

fn header_misfit(name: &str, value: &str, request: &Request<Bytes>) -> Option<String> {
    let found: Vec<&HeaderValue> = match HeaderName::try_from(name) {
        Ok(name) => request.headers().get_all(name).iter().collect(),
        Err(_) => Vec::new(),
    };
    if found.iter().any(|found| found.as_bytes() == value.as_bytes()) {
        return None;
    }
    let found: Vec<String> = found.iter().map(|found| String::from_utf8_lossy(found.as_bytes()).into()).collect();
    Some(misfit(&format!("header {name}"), value, &listed(&found)))
}

fn listed(values: &[String]) -> String {
    if values.is_empty() { "nothing".to_owned() } else { values.join("`, `") }
}

impl Expected {
    fn misfit(&self, body: &Bytes) -> Option<String> {
        let found = String::from_utf8_lossy(body);
        match self {
            Self::Bytes(expected) => {
                (expected != body).then(|| misfit("body", &String::from_utf8_lossy(expected), &found))
            }
            #[cfg(feature = "json")]
            Self::Json(expected) => {
                let fits = serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|found| found == *expected);
                (!fits).then(|| misfit("body", &expected.to_string(), &found))
            }
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.method, &self.url) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request<Bytes> {
        Request::post("http://a.test/x?y=1&z=a+b%21").header("k", "1").header("k", "2").body(Bytes::from("hi")).unwrap()
    }

    #[test]
    fn what_is_not_set_fits_everything() {
        assert!(Call::any().mismatches(&request()).is_empty());
        let whole = Call::post("http://a.test/x?y=1&z=a+b%21").header("k", "2").body("hi");
        assert!(whole.mismatches(&request()).is_empty());
    }

    #[test]
    fn a_star_in_a_url_stands_for_any_text() {
        for (url, fits) in [("http://*/x*", true), ("*", true), ("http://a.test/*/x", false), ("*/x", false)] {
            assert_eq!(Call::post(url).mismatches(&request()).is_empty(), fits, "{url}");
        }
    }

    #[test]
    fn parameters_are_compared_decoded_and_leave_the_rest_of_the_query_alone() {
        assert!(Call::post("http://a.test/x").query("z", "a b!").mismatches(&request()).is_empty());
        assert_eq!(
            Call::post("http://a.test/x").query("y", "2").query("q", "1").mismatches(&request()),
            ["parameter y: expected `2`, found `1`", "parameter q: expected `1`, found `nothing`"]
        );
    }

    #[test]
    fn a_condition_is_named_if_it_is_not_met() {
        let call = Call::any().matches("a long body", |request| request.body().len() > 10);
        assert_eq!(call.mismatches(&request()), ["condition: expected a long body"]);
    }

    #[cfg(feature = "json")]
    #[test]
    fn json_is_compared_by_value() {
        let request = Request::post("http://a.test/").body(Bytes::from(r#"{ "b": [1], "a": null }"#)).unwrap();
        assert!(Call::any().json(serde_json::json!({"a": null, "b": [1]})).mismatches(&request).is_empty());
        assert_eq!(
            Call::any().json(serde_json::json!({"a": 1})).mismatches(&request),
            [r#"body: expected `{"a":1}`, found `{ "b": [1], "a": null }`"#]
        );
    }

    #[test]
    fn a_slash_at_the_end_of_a_path_is_part_of_it() {
        let request = |url: &str| Request::get(url).body(Bytes::new()).unwrap();
        assert!(Call::get("http://a.test").mismatches(&request("http://A.test:80/")).is_empty());
        assert_eq!(
            Call::get("http://a.test/a").mismatches(&request("http://a.test/a/")),
            ["URL: expected `http://a.test/a`, found `http://a.test/a/`"]
        );
    }

    #[test]
    fn each_part_that_does_not_fit_has_a_line_with_both_sides() {
        let call = Call::get("http://a.test/").header("k", "3").header("z", "1").body("ho");
        assert_eq!(
            call.mismatches(&request()),
            [
                "method: expected `GET`, found `POST`",
                "URL: expected `http://a.test/`, found `http://a.test/x?y=1&z=a+b%21`",
                "header k: expected `3`, found `1`, `2`",
                "header z: expected `1`, found `nothing`",
                "body: expected `ho`, found `hi`",
            ]
        );
    }
}
