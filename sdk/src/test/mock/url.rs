//! Compares the URL of a call with an expected URL. Equivalent URLs match (RFC 9110, section 4.2.3).

use http::Uri;

use crate::url;

/// Whether the URL of a call matches an expected URL. Each `*` in the expected URL matches any text. The expected URL
/// may be written as it is sent, for example percent-encoded, or in any form that the client accepts.
pub(super) fn fits(expected: &str, uri: &Uri, with_query: bool) -> bool {
    is_same(expected, uri, with_query)
        || url::parse(&expected.to_owned().into()).is_ok_and(|url| is_same(&url.uri.to_string(), uri, with_query))
}

fn is_same(expected: &str, uri: &Uri, with_query: bool) -> bool {
    let mut url = uri.to_string();
    if !with_query && let Some(query) = url.find('?') {
        url.truncate(query);
    }
    match uri.path() {
        // The URL of an `OPTIONS *` request has no path (RFC 9112, section 3.2.4).
        "*" => wildcard_fits(&normal(expected, ""), &normal(url.trim_end_matches('*'), "")),
        _ => wildcard_fits(&normal(expected, "/"), &normal(&url, "/")),
    }
}

/// Whether a text matches a pattern. Each `*` in the pattern matches any text.
fn wildcard_fits(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    // The text must end with the part after the last `*`. Each other part matches at its first occurrence.
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = text.split_once(part) else { return false };
        text = after;
    }
    text.ends_with(last)
}

/// Normalizes a URL. An empty path becomes `path_if_none`.
fn normal(url: &str, path_if_none: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return decoded(url) };
    let scheme = scheme.to_ascii_lowercase();
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (user, server) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    let (host, port) = match server.rsplit_once(':') {
        // Colons within brackets belong to an IPv6 address.
        Some((host, port)) if !port.contains(']') => (host, port.trim_start_matches('0')),
        _ => (server, ""),
    };
    let host = decoded(host).to_ascii_lowercase();
    let port = match (scheme.as_str(), port) {
        (_, "") | ("http", "80") | ("https", "443") => String::new(),
        (_, port) => format!(":{port}"),
    };
    // A `*` at the end of the authority matches the path too.
    let slash = if path.starts_with('/') || host.ends_with('*') || port.ends_with('*') { "" } else { path_if_none };
    format!("{scheme}://{user}{host}{port}{slash}{}", decoded(path))
}

/// Decodes percent-encoded characters that need no encoding (RFC 3986, section 2.3). Writes other percent-encodings in
/// upper case.
fn decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut decoded = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let code = piece.get(..2).filter(|code| code.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => decoded.push(byte.into()),
            _ => {
                decoded.push('%');
                decoded.extend(code.map(str::to_ascii_uppercase));
            }
        }
        decoded.push_str(piece.get(code.map_or(0, str::len)..).unwrap_or_default());
    }
    decoded
}

#[cfg(test)]
mod tests {
    use http::uri::PathAndQuery;

    use super::*;

    fn fits(expected: &str, url: &str) -> bool {
        super::fits(expected, &url.parse().unwrap(), true)
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, url, expected) in [
            ("http://a.test/*", "http://a.test/", true),
            ("http://a.test/*/c", "http://a.test/b/c", true),
            ("http://a.test/*/c", "http://a.test/c", false),
            ("http://*.test/users/*/name", "http://api.test/users/7/name", true),
            ("http://*", "http://a.test/b", true),
            ("*/b", "http://a.test/b", true),
            ("http://*.test", "http://a.test/b", false),
        ] {
            assert_eq!(fits(pattern, url), expected, "{pattern} {url}");
        }
    }

    #[test]
    fn equivalent_urls_are_the_same() {
        for (expected, url) in [
            ("http://a.test", "http://a.test/"),
            ("http://a.test?b", "http://a.test/?b"),
            ("HTTP://A.Test/b", "http://a.tEST/b"),
            ("http://a.test:80/", "http://a.test/"),
            ("https://a.test/", "https://a.test:443/"),
            ("https://[::1]:443", "https://[::1]/"),
            ("http://a.test/%7euser/%c3%bc?%41", "http://a.test/~user/%C3%BC?A"),
            ("http://a.test/%zz%", "http://a.test/%zz%"),
        ] {
            assert!(fits(expected, url), "{expected} {url}");
        }
    }

    #[test]
    fn other_urls_are_others() {
        for (expected, url) in [
            ("http://a.test/a", "http://a.test/a/"),
            ("http://a.test/a/", "http://a.test/a"),
            ("http://a.test/a", "http://a.test/A"),
            ("http://a.test/a%2Fb", "http://a.test/a/b"),
            ("http://a.test/?", "http://a.test/"),
            ("http://a.test/", "http://a.test:443/"),
            ("http://a.test/", "https://a.test/"),
            ("http://[::1]/", "http://[::1]:81/"),
            ("http://A@a.test/", "http://a@a.test/"),
        ] {
            assert!(!fits(expected, url), "{expected} {url}");
        }
    }

    #[test]
    fn the_whole_server_has_no_path() {
        let mut parts = Uri::from_static("http://a.test").into_parts();
        parts.path_and_query = Some(PathAndQuery::from_static("*"));
        let uri = Uri::from_parts(parts).unwrap();
        for (expected, fits) in [("http://A.test:80", true), ("http://a.test/", false), ("http://a.test/*", false)] {
            assert_eq!(super::fits(expected, &uri, true), fits, "{expected}");
        }
    }
}
