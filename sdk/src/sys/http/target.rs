//! The target of a request: scheme, authority and path.

use std::fmt;

use bytes::Bytes;
use http::uri::{self, Authority, PathAndQuery, Scheme};
use http::{Method, Uri};

/// An invalid part of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The name of the part, such as `path`.
    pub(crate) part: &'static str,
    pub(crate) reason: String,
}

impl Invalid {
    pub(crate) fn new(part: &'static str, reason: impl fmt::Display) -> Self {
        Self { part, reason: reason.to_string() }
    }
}

/// Returns the path that replaces an empty path: `*` in an OPTIONS request (RFC 9112, section 3.2.4), otherwise `/`.
pub(crate) fn empty_path(is_options: bool) -> &'static str {
    if is_options { "*" } else { "/" }
}

/// Whether a request asks for the options of the whole server, as `OPTIONS *` does.
///
/// A host may refuse the path `*`, because a URI with an authority has no such path. When the request is written with
/// an absolute URI, the path of that URI is empty (RFC 9112, section 3.2.4).
pub(crate) fn is_asterisk(method: &Method, path: &PathAndQuery) -> bool {
    *method == Method::OPTIONS && path == "*"
}

/// Makes the URI of an incoming request. The URI has either both scheme and authority or neither. If only the scheme
/// is missing, it is `http`.
pub(crate) fn uri(
    scheme: Option<Result<Scheme, Invalid>>,
    authority: Option<Bytes>,
    path: Option<Bytes>,
    empty_path: &'static str,
) -> Result<Uri, Invalid> {
    let mut parts = uri::Parts::default();
    parts.path_and_query = Some(match path.filter(|path| !path.is_empty()) {
        Some(path) => PathAndQuery::from_maybe_shared(path).map_err(|error| Invalid::new("path", error))?,
        None => PathAndQuery::from_static(empty_path),
    });
    if let Some(authority) = authority.filter(|authority| !authority.is_empty()) {
        let authority = Authority::from_maybe_shared(authority);
        parts.authority = Some(authority.map_err(|error| Invalid::new("authority", error))?);
        parts.scheme = Some(scheme.unwrap_or(Ok(Scheme::HTTP))?);
    }
    Uri::from_parts(parts).map_err(|error| Invalid::new("target", error))
}

/// Parses a scheme other than `http` and `https`.
pub(crate) fn other_scheme(name: &str) -> Result<Scheme, Invalid> {
    Scheme::try_from(name).map_err(|error| Invalid::new("scheme", error))
}

/// Parses the name of a method that has no variant in WIT.
pub(crate) fn other_method(name: &str) -> Result<Method, Invalid> {
    Method::from_bytes(name.as_bytes()).map_err(|error| Invalid::new("method", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(
        scheme: Option<&str>,
        authority: Option<&'static str>,
        path: Option<&'static str>,
    ) -> Result<String, Invalid> {
        let scheme = scheme.map(other_scheme);
        let uri = uri(scheme, authority.map(Bytes::from_static_str), path.map(Bytes::from_static_str), "/");
        uri.map(|uri| uri.to_string())
    }

    trait FromStaticStr {
        fn from_static_str(text: &'static str) -> Bytes;
    }

    impl FromStaticStr for Bytes {
        fn from_static_str(text: &'static str) -> Bytes {
            Bytes::from_static(text.as_bytes())
        }
    }

    #[test]
    fn a_target_with_all_parts_is_their_uri() {
        assert_eq!(made(Some("https"), Some("a.test:8443"), Some("/x?y=1")).unwrap(), "https://a.test:8443/x?y=1");
    }

    #[test]
    fn the_default_scheme_is_http() {
        assert_eq!(made(None, Some("a.test"), Some("/")).unwrap(), "http://a.test/");
    }

    #[test]
    fn without_an_authority_there_is_no_scheme() {
        assert_eq!(made(Some("https"), None, Some("/x")).unwrap(), "/x");
        assert_eq!(made(Some("https"), Some(""), Some("/x")).unwrap(), "/x");
    }

    #[test]
    fn an_invalid_scheme_is_an_error_only_beside_an_authority() {
        assert_eq!(made(Some("h t"), Some("a.test"), Some("/")).unwrap_err().part, "scheme");
        assert_eq!(made(Some("h t"), None, Some("/")).unwrap(), "/");
    }

    #[test]
    fn another_scheme_is_kept() {
        assert_eq!(made(Some("coap"), Some("a.test"), Some("/")).unwrap(), "coap://a.test/");
    }

    #[test]
    fn an_empty_path_is_a_slash() {
        for path in [None, Some("")] {
            assert_eq!(made(None, Some("a.test"), path).unwrap(), "http://a.test/");
        }
    }

    #[test]
    fn an_empty_path_of_options_is_an_asterisk() {
        assert_eq!(empty_path(true), "*");
        assert_eq!(uri(None, None, None, empty_path(true)).unwrap().path(), "*");
        assert_eq!(empty_path(false), "/");
    }

    #[test]
    fn an_invalid_authority_is_named() {
        for authority in ["a b", "a:b:c", "[::1"] {
            assert_eq!(made(None, Some(authority), Some("/")).unwrap_err().part, "authority", "{authority}");
        }
    }

    #[test]
    fn an_invalid_path_is_named_with_the_reason() {
        let invalid = made(None, None, Some("/a b")).unwrap_err();
        assert_eq!(invalid.part, "path");
        assert!(!invalid.reason.is_empty());
    }

    #[test]
    fn only_options_asks_for_the_whole_server() {
        let asterisk = PathAndQuery::from_static("*");
        assert!(is_asterisk(&Method::OPTIONS, &asterisk));
        assert!(!is_asterisk(&Method::GET, &asterisk));
        assert!(!is_asterisk(&Method::OPTIONS, &PathAndQuery::from_static("/*")));
    }

    #[test]
    fn any_token_is_a_method() {
        assert_eq!(other_method("PURGE").unwrap().as_str(), "PURGE");
        for name in ["", "A B", "a\u{e9}"] {
            assert_eq!(other_method(name).unwrap_err().part, "method", "{name}");
        }
    }
}
