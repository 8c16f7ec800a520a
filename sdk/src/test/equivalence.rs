//! URLs as a mock compares them: equivalent ones are the same (RFC 9110, section 4.2.3).

use http::Uri;

/// Whether a call goes to a URL, or to one that is equivalent.
pub(super) fn is_same(expected: &str, uri: &Uri) -> bool {
    match uri.path() {
        // In full, the URL of `OPTIONS *` has no path (RFC 9112, section 3.2.4).
        "*" => normal(expected, "") == normal(uri.to_string().trim_end_matches('*'), ""),
        _ => normal(expected, "/") == normal(&uri.to_string(), "/"),
    }
}

/// A URL in normal form, with a path that stands for none.
fn normal(url: &str, path_if_none: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return decoded(url) };
    let scheme = scheme.to_ascii_lowercase();
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (user, server) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    let (host, port) = match server.rsplit_once(':') {
        // The colons of an address in brackets separate no port.
        Some((host, port)) if !port.contains(']') => (host, port.trim_start_matches('0')),
        _ => (server, ""),
    };
    let host = decoded(host).to_ascii_lowercase();
    let port = match (scheme.as_str(), port) {
        (_, "") | ("http", "80") | ("https", "443") => String::new(),
        (_, port) => format!(":{port}"),
    };
    let slash = if path.starts_with('/') { "" } else { path_if_none };
    format!("{scheme}://{user}{host}{port}{slash}{}", decoded(path))
}

/// Decodes the characters that need no encoding (RFC 3986, section 2.3), and writes the other codes in upper case.
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
        is_same(expected, &url.parse().unwrap())
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
        assert!(is_same("http://A.test:80", &uri));
        assert!(!is_same("http://a.test/", &uri));
        assert!(!is_same("http://a.test/*", &uri));
    }
}
