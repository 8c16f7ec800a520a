//! The rules of a shared cache (RFC 9111): what it may store and reuse. Pure functions that read no clock.

use std::time::Duration;

use wayside::http::header::{
    AGE, AUTHORIZATION, CACHE_CONTROL, COOKIE, EXPIRES, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, PRAGMA, RANGE, SET_COOKIE, VARY,
};
use wayside::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

/// The lifetime of a response that does not state it (section 4.2.2).
const HEURISTIC: Duration = Duration::from_secs(60);

/// How a request may use the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Whether the response may be stored.
    pub(crate) stores: bool,
    /// Whether a stored response may be used.
    pub(crate) reads: bool,
    /// Whether only a stored response may be used (`only-if-cached`).
    pub(crate) only_stored: bool,
}

/// Returns how a request may use the cache; `None` if its response is for one client or for a part of the content.
pub(crate) fn asked(method: &Method, request: &HeaderMap) -> Asked {
    const SPECIAL: [HeaderName; 7] =
        [COOKIE, RANGE, IF_RANGE, IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];
    let control = Directives::of(request);
    let stores =
        method == Method::GET && !control.has("no-store") && !SPECIAL.iter().any(|name| request.contains_key(name));
    // The pragma counts only without a `cache-control` (section 5.4).
    let pragma = !request.contains_key(CACHE_CONTROL) && request.get(PRAGMA).is_some_and(|value| value == "no-cache");
    Asked { stores, reads: stores && !control.has("no-cache") && !pragma, only_stored: control.has("only-if-cached") }
}

/// Returns the lifetime of a response; `None` if it may not be stored (section 3).
pub(crate) fn lifetime(request: &HeaderMap, status: StatusCode, response: &HeaderMap) -> Option<Duration> {
    let control = Directives::of(response);
    let is_refused = ["no-store", "private", "no-cache"].into_iter().any(|directive| control.has(directive));
    let is_of_one_client = request.contains_key(AUTHORIZATION) && !is_for_authorized(response);
    if status != StatusCode::OK || is_refused || is_of_one_client || response.contains_key(SET_COOKIE) {
        return None;
    }
    let explicit = control.seconds("s-maxage").or_else(|| control.seconds("max-age"));
    let lifetime = match explicit {
        Some(lifetime) => lifetime,
        // An `expires` date needs a calendar, so this cache does not store such responses.
        None if response.contains_key(EXPIRES) => return None,
        None => HEURISTIC,
    };
    (!lifetime.is_zero()).then_some(lifetime)
}

/// Whether a response may be used for requests with credentials (section 3.5).
pub(crate) fn is_for_authorized(response: &HeaderMap) -> bool {
    let control = Directives::of(response);
    ["public", "s-maxage", "must-revalidate"].into_iter().any(|directive| control.has(directive))
}

/// Returns the age of a response on arrival (section 4.2.3), after this delay.
pub(crate) fn age_on_arrival(response: &HeaderMap, delay: Duration) -> Duration {
    let age = response.get(AGE).and_then(|age| age.to_str().ok()).and_then(seconds).unwrap_or_default();
    age.saturating_add(delay)
}

/// Whether a response of this age is fresh, and fresh enough for a request (sections 4.2 and 5.2.1).
pub(crate) fn is_fresh(age: Duration, lifetime: Duration, request: &HeaderMap) -> bool {
    let control = Directives::of(request);
    let min_fresh = control.seconds("min-fresh").unwrap_or_default();
    age.saturating_add(min_fresh) < lifetime && control.seconds("max-age").is_none_or(|most| age <= most)
}

/// The request headers, with their values, that selected a response (section 4.1).
pub(crate) type Selection = Vec<(HeaderName, Vec<HeaderValue>)>;

/// Returns the names in `vary`; `None` if no other request can select the response.
pub(crate) fn selection(response: &HeaderMap, request: &HeaderMap) -> Option<Selection> {
    let names = response.get_all(VARY).iter().map(|value| value.to_str().ok()).collect::<Option<Vec<_>>>()?.join(",");
    let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    let selected = |name: &str| {
        let name: HeaderName = name.parse().ok().filter(|name| name != "*")?;
        let values = values(request, &name);
        Some((name, values))
    };
    names.map(selected).collect()
}

/// Whether a request selects the response with these values.
pub(crate) fn selects(request: &HeaderMap, selection: &Selection) -> bool {
    selection.iter().all(|(name, expected)| values(request, name) == *expected)
}

fn values(headers: &HeaderMap, name: &HeaderName) -> Vec<HeaderValue> {
    headers.get_all(name).iter().cloned().collect()
}

/// Returns the directives of `cache-control`: names in lower case, values without quotes.
struct Directives(Vec<(String, String)>);

impl Directives {
    fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(CACHE_CONTROL).iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
        let mut quoted = false;
        let mut directives = Vec::new();
        for line in lines {
            let pieces = line.split(|character| {
                quoted ^= character == '"';
                character == ',' && !quoted
            });
            directives.extend(pieces.map(|piece| {
                let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
                (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"').to_owned())
            }));
            quoted = false;
        }
        Self(directives)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| &value[..])
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Parses a number of seconds. A malformed number makes the response stale (section 4.2.1).
    fn seconds(&self, name: &str) -> Option<Duration> {
        self.get(name).map(|value| seconds(value).unwrap_or_default())
    }
}

/// Parses a number of seconds. Saturates on overflow (section 1.2.2).
fn seconds(text: &str) -> Option<Duration> {
    let is_number = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| Duration::from_secs(text.parse::<u32>().unwrap_or(u32::MAX).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(line).collect()
    }

    fn lifetime_of(response: &[(&'static str, &'static str)]) -> Option<u64> {
        lifetime(&HeaderMap::new(), StatusCode::OK, &headers(response)).map(|lifetime| lifetime.as_secs())
    }

    fn control(value: &'static str) -> HeaderMap {
        headers(&[("cache-control", value)])
    }

    #[test]
    fn an_answer_says_how_long_it_is_fresh() {
        for (value, expected) in [
            ("max-age=10", 10),
            ("Max-Age = \"10\" , public", 10),
            ("max-age=10, s-maxage=20", 20),
            ("must-revalidate, max-age=10", 10),
            ("max-age=10, max-age=20", 10),
            ("max-age=99999999999999999999", u64::from(u32::MAX)),
            ("public", 60),
        ] {
            assert_eq!(lifetime_of(&[("cache-control", value)]), Some(expected), "{value}");
        }
        assert_eq!(lifetime_of(&[("cache-control", "public"), ("cache-control", "max-age=5")]), Some(5));
        assert_eq!(lifetime_of(&[]), Some(60));
    }

    #[test]
    fn an_answer_that_is_not_for_all_is_not_stored() {
        for value in [
            "no-store",
            "private, max-age=10",
            "PRIVATE=\"x-a, max-age=10\"",
            "no-cache",
            "no-cache=\"set-cookie\"",
            "max-age=0",
            "s-maxage=0, max-age=10",
            "max-age=ten",
            "max-age=-1",
            "max-age",
        ] {
            assert_eq!(lifetime_of(&[("cache-control", value)]), None, "{value}");
        }
        assert_eq!(lifetime_of(&[("set-cookie", "a=1"), ("cache-control", "max-age=10")]), None);
        assert_eq!(lifetime_of(&[("expires", "Thu, 01 Dec 1994 16:00:00 GMT")]), None);
        assert_eq!(lifetime_of(&[("expires", "0"), ("cache-control", "max-age=10")]), Some(10));
        assert_eq!(lifetime(&HeaderMap::new(), StatusCode::NOT_FOUND, &control("max-age=10")), None);
    }

    #[test]
    fn an_answer_to_credentials_is_stored_where_it_says_so() {
        let request = headers(&[("authorization", "Bearer a")]);
        let stored = |value| lifetime(&request, StatusCode::OK, &control(value)).is_some();
        assert!(!stored("max-age=10"));
        assert!(stored("max-age=10, public") && stored("s-maxage=10") && stored("max-age=10, must-revalidate"));
        assert!(!stored("public, private"));
    }

    #[test]
    fn a_request_may_go_past_the_cache() {
        let reads = |lines: &[(&'static str, &'static str)]| asked(&Method::GET, &headers(lines)).reads;
        assert!(reads(&[]) && reads(&[("cache-control", "max-age=10")]) && reads(&[("authorization", "Bearer a")]));
        assert!(!reads(&[("cache-control", "no-cache")]) && !reads(&[("pragma", "no-cache")]));
        assert!(reads(&[("pragma", "no-cache"), ("cache-control", "max-age=10")]));
        assert!(asked(&Method::GET, &control("no-cache")).stores);
        for line in
            [("cookie", "a=1"), ("range", "bytes=0-1"), ("if-none-match", "\"a\""), ("cache-control", "no-store")]
        {
            assert!(!asked(&Method::GET, &headers(&[line])).stores, "{line:?}");
        }
        assert!(!asked(&Method::POST, &HeaderMap::new()).stores);
        assert!(asked(&Method::GET, &control("only-if-cached")).only_stored);
    }

    #[test]
    fn an_answer_is_fresh_for_its_lifetime_and_as_long_as_the_request_takes_it() {
        let fresh = |age, request: &HeaderMap| is_fresh(Duration::from_secs(age), Duration::from_secs(10), request);
        assert!(fresh(9, &HeaderMap::new()) && !fresh(10, &HeaderMap::new()));
        assert!(fresh(5, &control("max-age=5")) && !fresh(6, &control("max-age=5")));
        assert!(fresh(4, &control("min-fresh=5")) && !fresh(5, &control("min-fresh=5")));
        // This cache uses no stale responses.
        assert!(!fresh(10, &control("max-stale=60")));
    }

    #[test]
    fn the_age_of_an_answer_counts_from_where_it_came_from() {
        let second = Duration::from_secs(1);
        assert_eq!(age_on_arrival(&headers(&[("age", "5")]), second), second * 6);
        assert_eq!(age_on_arrival(&headers(&[("age", "old")]), second), second);
    }

    #[test]
    fn a_request_selects_the_answer_to_one_like_it() {
        let german = headers(&[("accept-language", "de"), ("accept", "a"), ("accept", "b")]);
        let response = headers(&[("vary", "Accept-Language, ,accept"), ("vary", "x-none")]);
        let selection = selection(&response, &german).unwrap();
        assert!(selects(&german, &selection));
        assert!(!selects(&headers(&[("accept-language", "en"), ("accept", "a"), ("accept", "b")]), &selection));
        assert!(!selects(&headers(&[("accept-language", "de"), ("accept", "b"), ("accept", "a")]), &selection));
        let mut more = german.clone();
        more.append("x-none", HeaderValue::from_static(""));
        assert!(!selects(&more, &selection));
    }

    #[test]
    fn an_answer_that_varies_by_anything_is_selected_by_no_other_request() {
        assert_eq!(selection(&headers(&[("vary", "accept, *")]), &HeaderMap::new()), None);
        assert_eq!(selection(&headers(&[("vary", "a b")]), &HeaderMap::new()), None);
        assert_eq!(selection(&HeaderMap::new(), &HeaderMap::new()), Some(Vec::new()));
    }
}
