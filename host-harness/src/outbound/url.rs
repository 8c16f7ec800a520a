//! Compares URLs: equivalent URLs match (RFC 9110, section 4.2.3).
//!
//! Scheme and host are case-insensitive, the default port equals no port, an empty path is `/`, and a character that
//! needs no percent-encoding equals its code. A slash at the end of a path is significant.

use http::Uri;
use percent_encoding::{AsciiSet, utf8_percent_encode};

/// Normalizes a URL.
pub(super) fn normal(url: &str) -> String {
    Parts::of(url).text(None, "/")
}

/// Whether the URL of a call matches a pattern in which each `*` matches any text. `with_query` tells whether the query
/// of the URL is compared.
pub(super) fn fits(pattern: &str, uri: &Uri, with_query: bool) -> bool {
    let is_for_whole_server = uri.path() == "*";
    // The target of `OPTIONS *` is written as a URL without a path (RFC 9112, section 3.2.4).
    let path_if_none = if is_for_whole_server { "" } else { "/" };
    let mut url = uri.to_string();
    if is_for_whole_server {
        url.truncate(url.len() - 1);
    }
    if !with_query && let Some(query) = url.find('?') {
        url.truncate(query);
    }
    // Percent-encodes the pattern, because the URLs of calls contain only ASCII.
    let pattern = utf8_percent_encode(pattern, &AsciiSet::EMPTY).to_string();
    let (pattern, url) = (Parts::of(&pattern).text(None, path_if_none), Parts::of(&url));
    let default_port = default_port(&url.scheme);
    wildcard_fits(&pattern, &url.text(None, path_if_none))
        || url.port.is_none()
            && default_port.is_some()
            && wildcard_fits(&pattern, &url.text(default_port, path_if_none))
}

/// The normalized parts of a URL. If a text has no scheme, all of it becomes the path.
struct Parts {
    scheme: String,
    /// Without user information, which is never sent to a server.
    host: String,
    /// `None` for the default port.
    port: Option<String>,
    /// With the query, and without the fragment, which is never sent.
    path: String,
}

impl Parts {
    fn of(url: &str) -> Self {
        let url = url.split('#').next().unwrap_or_default();
        let Some((scheme, rest)) = url.split_once("://") else {
            return Self { scheme: String::new(), host: String::new(), port: None, path: decoded(url) };
        };
        let scheme = scheme.to_ascii_lowercase();
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let server = authority.rsplit('@').next().unwrap_or_default();
        let (host, port) = match server.rsplit_once(':') {
            // Colons within brackets belong to the address.
            Some((host, port)) if !port.contains(']') => (host, Some(port.trim_start_matches('0'))),
            _ => (server, None),
        };
        let port = port.filter(|port| !port.is_empty() && Some(*port) != default_port(&scheme)).map(str::to_owned);
        Self { port, host: decoded(host).to_ascii_lowercase(), path: decoded(path), scheme }
    }

    /// Returns the whole URL. Adds the given port and path if the URL has none.
    fn text(&self, port: Option<&str>, path: &str) -> String {
        if self.scheme.is_empty() {
            return self.path.clone();
        }
        let mut text = format!("{}://{}", self.scheme, self.host);
        if let Some(port) = self.port.as_deref().or(port) {
            text.push(':');
            text.push_str(port);
        }
        // A `*` at the end of the authority matches the path as well.
        if !self.path.starts_with('/') && !text.ends_with('*') {
            text.push_str(path);
        }
        text + &self.path
    }
}

fn default_port(scheme: &str) -> Option<&'static str> {
    match scheme {
        "http" => Some("80"),
        "https" => Some("443"),
        _ => None,
    }
}

/// Decodes characters that need no encoding (RFC 3986, section 2.3), and writes other codes in upper case.
fn decoded(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        decoded.push_str(before);
        rest = after;
        let code = after.get(..2).filter(|code| code.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        match (code, byte) {
            (Some(_), Some(byte)) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                decoded.push(byte.into())
            }
            (Some(code), _) => {
                decoded.push('%');
                decoded.push_str(&code.to_ascii_uppercase());
            }
            (None, _) => decoded.push('%'),
        }
        rest = rest.get(code.map_or(0, str::len)..).unwrap_or_default();
    }
    decoded + rest
}

/// Whether a text matches a pattern in which each `*` matches any text.
fn wildcard_fits(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(start) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    // The text after the last `*` must be at the end; the parts before it match at their first occurrence.
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use http::uri::PathAndQuery;

    use super::*;

    fn fits_url(pattern: &str, url: &str) -> bool {
        fits(pattern, &url.parse().unwrap(), true)
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, url, expected) in [
            ("http://a/*", "http://a/", true),
            ("http://a/*", "http://a/b/c?d", true),
            ("http://a/*/c", "http://a/b/c", true),
            ("http://a/*/c", "http://a/c", false),
            ("*://a/*b*", "https://a/xxbyy", true),
            ("http://*.test/users/*/name", "http://api.test/users/7/name", true),
            ("http://*.test/users/*/name", "http://api.test/users/7/name/x", false),
            ("http://a*a", "http://a", false),
            ("http://*", "http://a.test/b", true),
            ("http://a*", "http://a.test:81/b", true),
            ("*", "http://a.test/b", true),
            ("*/b", "http://a.test/b", true),
            ("http://*.test", "http://a.test/", true),
            ("http://*.test", "http://a.test/b", false),
        ] {
            assert_eq!(fits_url(pattern, url), expected, "{pattern} {url}");
        }
    }

    #[test]
    fn a_slash_at_the_end_is_part_of_the_path() {
        for (pattern, url) in [
            ("http://a.test/a", "http://a.test/a/"),
            ("http://a.test/a/", "http://a.test/a"),
            ("http://a.test/*/b", "http://a.test/a/b/"),
            ("http://a.test/a?b", "http://a.test/a/?b"),
            ("http://a.test/a?b", "http://a.test/a?b/"),
            ("http://a.test/", "http://a.test//"),
        ] {
            assert!(!fits_url(pattern, url), "{pattern} {url}");
        }
    }

    #[test]
    fn an_empty_path_is_a_slash() {
        for (pattern, url) in [
            ("http://a.test", "http://a.test/"),
            ("http://a.test/", "http://a.test"),
            ("http://a.test?b", "http://a.test/?b"),
            ("http://a.test/?b", "http://a.test?b"),
        ] {
            assert!(fits_url(pattern, url), "{pattern} {url}");
        }
        assert!(!fits_url("http://a.test/?", "http://a.test/"));
    }

    #[test]
    fn scheme_and_host_have_no_case_and_paths_have() {
        assert!(fits_url("HTTP://A.Test/b", "http://a.tEST/b"));
        assert!(fits_url("https://*.TEST/b", "https://A.test/b"));
        assert!(!fits_url("http://a.test/B", "http://a.test/b"));
        assert!(!fits_url("http://a.test/?B", "http://a.test/?b"));
        assert!(fits_url("http://A:b@a.test/", "http://a.test/"));
    }

    #[test]
    fn the_default_port_is_as_good_as_none() {
        for (pattern, url, expected) in [
            ("http://a.test:80/", "http://a.test/", true),
            ("http://a.test/", "http://a.test:80/", true),
            ("http://a.test:/", "http://a.test/", true),
            ("http://a.test:080/", "http://a.test/", true),
            ("https://a.test/", "https://a.test:443/", true),
            ("https://[::1]", "https://[::1]:443/", true),
            ("http://[::1]:8080/", "http://[::1]:8080/", true),
            ("http://a.test:443/", "http://a.test/", false),
            ("http://a.test/", "http://a.test:443/", false),
            ("https://a.test:80/", "https://a.test/", false),
            ("http://a.test:*/", "http://a.test/", true),
            ("http://a.test:*/", "http://a.test:81/", true),
            ("*://a.test:80/", "http://a.test/", true),
            ("*://a.test:80/", "https://a.test/", false),
        ] {
            assert_eq!(fits_url(pattern, url), expected, "{pattern} {url}");
        }
    }

    #[test]
    fn a_character_that_needs_no_code_is_as_good_as_its_code() {
        for (pattern, url, expected) in [
            ("http://a.test/%7euser", "http://a.test/~user", true),
            ("http://a.test/~user", "http://a.test/%7Euser", true),
            ("http://a.test/%41%2d%2E%5f?%30", "http://a.test/A-._?0", true),
            ("http://a.test/%c3%bc", "http://a.test/%C3%BC", true),
            ("http://a.test/\u{fc}", "http://a.test/%c3%bc", true),
            ("http://a.test/a%2fb", "http://a.test/a%2Fb", true),
            ("http://a.test/a%2Fb", "http://a.test/a/b", false),
            ("http://a.test/%2525", "http://a.test/%25", false),
            ("http://a.test/?a=%26", "http://a.test/?a=&", false),
            ("http://a.test/?a=%20b", "http://a.test/?a=+b", false),
            ("http://a.test/100%", "http://a.test/100%", true),
            ("http://a.test/%zz%4", "http://a.test/%zz%4", true),
        ] {
            assert_eq!(fits_url(pattern, url), expected, "{pattern} {url}");
        }
    }

    #[test]
    fn the_whole_server_has_no_path() {
        let mut parts = Uri::from_static("http://a.test:80").into_parts();
        parts.path_and_query = Some(PathAndQuery::from_static("*"));
        let uri = Uri::from_parts(parts).unwrap();
        for (pattern, expected) in [
            ("http://a.test", true),
            ("http://A.test:80", true),
            ("http://a.test*", true),
            ("*", true),
            ("http://a.test/", false),
            ("http://b.test", false),
        ] {
            assert_eq!(fits(pattern, &uri, true), expected, "{pattern}");
        }
    }

    #[test]
    fn the_query_may_be_left_out() {
        let uri = Uri::from_static("http://a.test/b?c=d");
        assert!(fits("http://a.test/b", &uri, false));
        assert!(!fits("http://a.test/b", &uri, true));
    }

    #[test]
    fn a_url_has_one_normal_form() {
        for (url, expected) in [
            ("HTTP://u:P@A.Test:80?q", "http://a.test/?q"),
            ("https://a.test:8443/%7e%2f#top", "https://a.test:8443/~%2F"),
            ("http://a.test/a/", "http://a.test/a/"),
        ] {
            assert_eq!(normal(url), expected);
            assert_eq!(normal(&normal(url)), expected);
        }
    }
}
