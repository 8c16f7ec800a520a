//! Parses, resolves and percent-encodes URLs as browsers do.
//!
//! This module follows the WHATWG URL Standard for `http` and `https`, except that a host must be ASCII: the tables
//! for international names would be larger than most components.

mod authority;
mod final_url;

use std::ptr;

use bytes::Bytes;
use http::Uri;
use http::uri::{self, Authority, PathAndQuery, Scheme};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

pub use final_url::FinalUrl;

/// The special-query percent-encode set of the URL Standard.
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'\'');
/// The path percent-encode set of the URL Standard.
const PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'^').add(b'`').add(b'{').add(b'}');
/// An empty set, with which only bytes beyond ASCII are percent-encoded.
const NON_ASCII_ONLY: &AsciiSet = &AsciiSet::EMPTY;

/// A URL and its fragment, which is never sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) uri: Uri,
    pub(crate) fragment: Option<Box<str>>,
}

impl From<Uri> for Url {
    fn from(uri: Uri) -> Self {
        Self { uri, fragment: None }
    }
}

/// Parses an absolute URL.
pub(crate) fn parse(text: &Bytes) -> Result<Url, String> {
    // The parser of the crate `http` copies nothing, and suffices for most URLs.
    if is_plain(text)
        && let Ok(uri) = Uri::from_maybe_shared(text.clone())
        && uri.scheme().is_some()
    {
        return Ok(uri.into());
    }
    parse_other(text)
}

#[cold]
fn parse_other(text: &[u8]) -> Result<Url, String> {
    let text = trim_and_clean(text);
    let (text, fragment) = split_fragment(&text);
    let Some((scheme, rest)) = split_scheme(text) else { return Err(NO_SCHEME.to_owned()) };
    let uri = with_authority(known_scheme(scheme)?, rest)?;
    Ok(Url { uri, fragment })
}

/// Resolves a reference, for example from a `location` header, against a base URL.
pub(crate) fn resolve(base: &Uri, reference: &[u8]) -> Result<Url, String> {
    let text = trim_and_clean(reference);
    let (text, fragment) = split_fragment(&text);
    let base_scheme = base.scheme().ok_or(NO_SCHEME)?;
    let relative = match split_scheme(text) {
        Some((scheme, rest)) => {
            let scheme = known_scheme(scheme)?;
            if scheme != *base_scheme || rest.first().is_some_and(is_slash) && rest.get(1).is_some_and(is_slash) {
                return Ok(Url { uri: with_authority(scheme, rest)?, fragment });
            }
            rest
        }
        None if text.first().is_some_and(is_slash) && text.get(1).is_some_and(is_slash) => {
            return Ok(Url { uri: with_authority(base_scheme.clone(), text)?, fragment });
        }
        None => text,
    };
    Ok(Url { uri: with_path(base, relative)?, fragment })
}

/// Checks the URL of an outbound call. Removes user information, which must not be sent, and an empty port.
pub(crate) fn check(uri: &mut Uri) -> Result<(), String> {
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
        return Err(NO_SCHEME.to_owned());
    };
    if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS {
        return Err(unsupported(scheme.as_str()));
    }
    if let Some(authority) = authority::check(authority)? {
        let mut parts = uri.clone().into_parts();
        parts.authority = Some(authority);
        *uri = Uri::from_parts(parts).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Percent-encodes bytes beyond ASCII, which a request line cannot contain. Changes nothing else, because a proxy
/// must not change the path and the query of a request (RFC 9110, section 7.7).
pub(crate) fn encode(uri: &mut Uri) {
    if uri.path_and_query().is_some_and(|path| !path.as_str().is_ascii()) {
        encode_with(uri, NON_ASCII_ONLY, NON_ASCII_ONLY);
    }
}

/// Percent-encodes the path and the query as browsers do.
pub(crate) fn encode_fully(uri: &mut Uri) {
    let (path, query) = (uri.path().as_bytes(), uri.query().unwrap_or_default().as_bytes());
    // `percent_encode` returns the input itself, in one piece, if there is nothing to encode.
    let is_in =
        |bytes: &[u8], set| percent_encode(bytes, set).next().is_some_and(|first| !ptr::eq(first.as_bytes(), bytes));
    if is_in(path, PATH) || is_in(query, QUERY) {
        encode_with(uri, PATH, QUERY);
    }
}

#[cold]
fn encode_with(uri: &mut Uri, path_set: &'static AsciiSet, query_set: &'static AsciiSet) {
    let mut text = percent_encode(uri.path().as_bytes(), path_set).to_string();
    if let Some(query) = uri.query() {
        text.push('?');
        text.extend(percent_encode(query.as_bytes(), query_set));
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = text.try_into().ok();
    // If the encoded path and query are longer than a `Uri` can be, the URI stays unchanged, and the host rejects it.
    if let Ok(encoded) = Uri::from_parts(parts) {
        *uri = encoded;
    }
}

/// Formats the URL of a request for an error message, without user information.
pub(crate) fn shown_uri(uri: &Uri) -> String {
    match (uri.scheme(), uri.authority()) {
        (Some(scheme), Some(authority)) => {
            let path = uri.path_and_query().map_or("", PathAndQuery::as_str);
            format!("{scheme}://{}{path}", authority::without_user(authority.as_str()))
        }
        _ => uri.to_string(),
    }
}

/// Formats the text of an invalid URL for an error message, without user information and with `?` in place of each
/// control character.
pub(crate) fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text).replace(char::is_control, "?");
    // Text without `//` may be a URL without its scheme, so it may start with user information.
    let start = match text.as_bytes().windows(2).position(|two| two.iter().all(is_slash)) {
        Some(slashes) => slashes + 2,
        None if text.starts_with("mailto:") => return text,
        None => 0,
    };
    let (before, rest) = text.split_at(start);
    let (authority, after) = rest.split_at(rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len()));
    format!("{before}{}{after}", authority::without_user(authority))
}

const NO_SCHEME: &str = "the URL needs a scheme and a host, as in `http://host/path`";

#[cold]
fn unsupported(scheme: &str) -> String {
    format!("the scheme `{scheme}` is not supported; use `http` or `https`")
}

/// Whether a URL consists of the bytes in `PLAIN` and no segment of its path starts with a dot. Such a URL needs no
/// percent-encoding.
fn is_plain(text: &[u8]) -> bool {
    // The segments `.` and `..` start with a dot after a slash. `PLAIN` excludes `%`, and with it percent-encoded
    // dots.
    let mut before = 0;
    for byte in text {
        if !PLAIN.get(usize::from(*byte)).is_some_and(|is_plain| *is_plain) || (*byte == b'.' && before == b'/') {
            return false;
        }
        before = *byte;
    }
    true
}

/// For each byte, whether it may stay unchanged in every part of a URL. The table has an entry for all 256 bytes, so
/// every lookup succeeds.
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time, so an invalid index is a compile error")]
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        plain[byte as usize] =
            !matches!(byte, b'%' | b'"' | b'#' | b'\'' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'}' | b'@');
        byte += 1;
    }
    plain
};

/// Removes white space and control characters around a URL, and line breaks and tabs within it.
fn trim_and_clean(text: &[u8]) -> Vec<u8> {
    let is_edge = |byte: &u8| *byte <= b' ';
    let start = text.iter().position(|byte| !is_edge(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_edge(byte)).map_or(start, |last| last + 1);
    let kept = text.get(start..end).unwrap_or_default();
    kept.iter().copied().filter(|byte| !matches!(byte, b'\t' | b'\n' | b'\r')).collect()
}

fn split_fragment(text: &[u8]) -> (&[u8], Option<Box<str>>) {
    const FRAGMENT: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`');
    match split_at(text, |byte| *byte == b'#') {
        (text, Some(fragment)) => (text, Some(percent_encode(fragment, FRAGMENT).to_string().into())),
        (text, None) => (text, None),
    }
}

/// Splits at the first byte for which `is_end` is true, and removes this byte.
fn split_at(text: &[u8], is_end: impl Fn(&u8) -> bool) -> (&[u8], Option<&[u8]>) {
    let Some(end) = text.iter().position(is_end) else { return (text, None) };
    let (before, rest) = text.split_at(end);
    (before, rest.get(1..))
}

/// Splits `scheme:rest`. Returns `None` if the text does not start with a scheme and a colon.
fn split_scheme(text: &[u8]) -> Option<(&str, &[u8])> {
    let (scheme, rest) = split_at(text, |byte| *byte == b':');
    let is_scheme = scheme.first()?.is_ascii_alphabetic()
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    Some((std::str::from_utf8(scheme).ok().filter(|_| is_scheme)?, rest?))
}

fn known_scheme(scheme: &str) -> Result<Scheme, String> {
    if scheme.eq_ignore_ascii_case("http") {
        Ok(Scheme::HTTP)
    } else if scheme.eq_ignore_ascii_case("https") {
        Ok(Scheme::HTTPS)
    } else {
        Err(unsupported(scheme))
    }
}

/// Whether a byte is a slash, or a backslash, which browsers treat as a slash.
fn is_slash(byte: &u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

/// Makes a URL from a scheme and the text after it: slashes, authority, path and query.
fn with_authority(scheme: Scheme, text: &[u8]) -> Result<Uri, String> {
    let start = text.iter().position(|byte| !is_slash(byte)).unwrap_or(text.len());
    let (_, text) = text.split_at(start);
    let end = text.iter().position(|byte| is_slash(byte) || *byte == b'?').unwrap_or(text.len());
    let (authority, rest) = text.split_at(end);
    let authority = authority::parse(authority)?;
    let (path, query) = split_at(rest, |byte| *byte == b'?');
    join(scheme, authority, &normalized(path), query)
}

/// Makes a URL from the scheme and the authority of `base`, and a relative reference.
fn with_path(base: &Uri, text: &[u8]) -> Result<Uri, String> {
    let (path, query) = split_at(text, |byte| *byte == b'?');
    let (path, query) = match path.first() {
        None => (base.path().to_owned(), query.or(base.query().map(str::as_bytes))),
        Some(first) if is_slash(first) => (normalized(path), query),
        Some(_) => {
            let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            (normalized(&[folder.as_bytes(), b"/", path].concat()), query)
        }
    };
    let (Some(scheme), Some(authority)) = (base.scheme(), base.authority()) else {
        return Err(NO_SCHEME.to_owned());
    };
    join(scheme.clone(), authority.clone(), &path, query)
}

fn join(scheme: Scheme, authority: Authority, path: &str, query: Option<&[u8]>) -> Result<Uri, String> {
    let mut target = path.to_owned();
    if let Some(query) = query {
        target.push('?');
        target.extend(percent_encode(query, QUERY));
    }
    let target = PathAndQuery::try_from(target).map_err(|error| format!("the path is not valid: {error}"))?;
    let mut parts = uri::Parts::default();
    parts.scheme = Some(scheme);
    parts.authority = Some(authority);
    parts.path_and_query = Some(target);
    Uri::from_parts(parts).map_err(|error| format!("the URL is not valid: {error}"))
}

/// Percent-encodes a path, and resolves the segments `.` and `..`.
fn normalized(path: &[u8]) -> String {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut segments = path.split(is_slash).skip(1).peekable();
    while let Some(segment) = segments.next() {
        let dots = dots(segment);
        if dots == 2 {
            kept.pop();
        }
        if dots == 0 {
            kept.push(segment);
        } else if segments.peek().is_none() {
            kept.push(b"");
        }
    }
    if kept.is_empty() {
        return "/".to_owned();
    }
    let mut text = String::new();
    for segment in kept {
        text.push('/');
        text.extend(percent_encode(segment, PATH));
    }
    text
}

/// Returns 1 for the segment `.`, 2 for `..`, and 0 for any other segment. `%2e` counts as a dot.
fn dots(mut segment: &[u8]) -> usize {
    let mut count = 0;
    while let [b'.', rest @ ..] | [b'%', b'2', b'e' | b'E', rest @ ..] = segment {
        segment = rest;
        count += 1;
    }
    if segment.is_empty() && count <= 2 { count } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        match parse(&Bytes::copy_from_slice(text.as_bytes())) {
            Ok(Url { mut uri, .. }) => match check(&mut uri) {
                Ok(()) => uri.to_string(),
                Err(error) => error,
            },
            Err(error) => error,
        }
    }

    #[test]
    fn a_url_is_percent_encoded_as_browsers_do() {
        for (text, expected) in [
            ("http://h/caf\u{e9}?q=\u{e9}", "http://h/caf%C3%A9?q=%C3%A9"),
            ("http://h/a b?c d", "http://h/a%20b?c%20d"),
            ("http://h/\"<>`{}^|\\x", "http://h/%22%3C%3E%60%7B%7D%5E|/x"),
            ("http://h/?\"'<>`{}^|\\", "http://h/?%22%27%3C%3E`{}^|\\"),
            ("http://h/%C3%a9%2F%zz", "http://h/%C3%a9%2F%zz"),
            ("http://h/\u{7f}\u{1}x", "http://h/%7F%01x"),
            ("  http://h/a\n\t \r ", "http://h/a"),
            ("http://h/a\nb\tc", "http://h/abc"),
            ("http://h", "http://h/"),
            ("http://h?q", "http://h/?q"),
            ("http://h#f", "http://h/"),
            ("HTTP://H/x", "http://H/x"),
            ("http:\\\\h\\a\\b", "http://h/a/b"),
            ("http:h/x", "http://h/x"),
            ("http:////h/x", "http://h/x"),
            ("https://h:8443/x", "https://h:8443/x"),
            ("http://u:p@h/x", "http://h/x"),
            ("http://u@p@h/x", "http://h/x"),
            ("http://[::1]:80/x", "http://[::1]:80/x"),
            ("http://h:/x", "http://h/x"),
            ("http://u:p@h:?q", "http://h/?q"),
            ("http://[::1]:/x", "http://[::1]/x"),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
    }

    #[test]
    fn dot_segments_are_taken_out() {
        for (path, expected) in [
            ("/a/./b/../c", "/a/c"),
            ("/a/%2e%2E/c", "/c"),
            ("/a/.%2e/..", "/"),
            ("/../../a", "/a"),
            ("/a/b/.", "/a/b/"),
            ("/a/b/..", "/a/"),
            ("/a//../b", "/a/b"),
            ("/.../.a/a.", "/.../.a/a."),
            ("/..?/../q", "/?/../q"),
        ] {
            assert_eq!(parsed(&format!("http://h{path}")), format!("http://h{expected}"), "{path}");
        }
    }

    #[test]
    fn a_url_that_is_not_valid_is_refused_with_the_reason() {
        let too_large = "the port `99999` of `h:99999` is not a number from 0 to 65535";
        for (text, expected) in [
            ("http://h:99999/", too_large),
            ("http://u:p@h:99999/", too_large),
            ("http://h:x/", "the port `x` of `h:x` is not a number from 0 to 65535"),
            ("http://h::/", "the port `` of `h:` is not a number from 0 to 65535"),
            ("http://h:+80/", "the port `+80` of `h:+80` is not a number from 0 to 65535"),
            ("http://[::1]:x/", "the port `x` of `[::1]:x` is not a number from 0 to 65535"),
            ("http://", "the URL has no host"),
            ("http://:80/", "the URL has no host"),
            ("http://u:p@/", "the URL has no host"),
            ("http://?q", "the URL has no host"),
            ("http://a b/", "the host `a b` is not valid"),
            ("http://a%41b/", "the host `a%41b` is not valid"),
            ("http://[::1/", "the host `[:` is not valid"),
            ("http://[x]/", "the host `[x]` is not valid"),
            ("http://[::1%25eth0]/", "the host `[::1%25eth0]` is not valid"),
            ("http://a[::1]/", "the host `a[::1]` is not valid"),
            ("/only/a/path", NO_SCHEME),
            ("", NO_SCHEME),
            ("example.org/x", NO_SCHEME),
            ("localhost:80", "the scheme `localhost` is not supported; use `http` or `https`"),
            ("ftp://h/", "the scheme `ftp` is not supported; use `http` or `https`"),
            ("mailto:a@b.test", "the scheme `mailto` is not supported; use `http` or `https`"),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
        let idn = parsed("http://u:p@b\u{fc}cher.example:80/");
        assert_eq!(
            idn,
            "the host `b\u{fc}cher.example` is not ASCII; write it in punycode, as `xn--bcher-kva.example`"
        );
    }

    #[test]
    fn a_reference_is_resolved_as_browsers_do() {
        let base = Uri::from_static("http://a.test:81/b/c/d?q");
        for (reference, expected) in [
            (&b"https://other.test/x"[..], "https://other.test/x"),
            (b"//other.test/x", "http://other.test/x"),
            (b"\\\\other.test\\x", "http://other.test/x"),
            (b"///other.test/x", "http://other.test/x"),
            (b"https:/other.test/x", "https://other.test/x"),
            (b"http:/x", "http://a.test:81/x"),
            (b"http:x", "http://a.test:81/b/c/x"),
            (b"http://other.test", "http://other.test/"),
            (b"/x?y#z", "http://a.test:81/x?y"),
            (b"g", "http://a.test:81/b/c/g"),
            (b"./g/", "http://a.test:81/b/c/g/"),
            (b"..", "http://a.test:81/b/"),
            (b"../../../g", "http://a.test:81/g"),
            (b"?y", "http://a.test:81/b/c/d?y"),
            (b"#z", "http://a.test:81/b/c/d?q"),
            (b"", "http://a.test:81/b/c/d?q"),
            (b" /x ", "http://a.test:81/x"),
            (b"/caf\xc3\xa9", "http://a.test:81/caf%C3%A9"),
            (b"/caf\xe9?\xe9", "http://a.test:81/caf%E9?%E9"),
            (b"a:b", "the scheme `a` is not supported; use `http` or `https`"),
            (b"./a:b", "http://a.test:81/b/c/a:b"),
            (b"com.app.x:/cb?code=1", "the scheme `com.app.x` is not supported; use `http` or `https`"),
            (b"http://", "the URL has no host"),
            (b"//h:99999/", "the port `99999` of `h:99999` is not a number from 0 to 65535"),
        ] {
            let resolved = resolve(&base, reference).map_or_else(|error| error, |url| url.uri.to_string());
            assert_eq!(resolved, expected, "{}", reference.escape_ascii());
        }
    }

    #[test]
    fn a_fragment_is_kept_apart() {
        let fragment = |text: &str| parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap().fragment;
        assert_eq!(fragment("http://h/x#a b").as_deref(), Some("a%20b"));
        assert_eq!(fragment("http://h/x#").as_deref(), Some(""));
        assert_eq!(fragment("http://h/x"), None);
    }

    #[test]
    fn a_target_that_is_passed_on_is_encoded_where_it_is_not_ascii_only() {
        for (text, expected) in [("/caf\u{e9}/{x}?'=\u{e9}", "/caf%C3%A9/{x}?'=%C3%A9"), ("/{x}?'", "/{x}?'")] {
            let mut uri: Uri = text.parse().unwrap();
            encode(&mut uri);
            assert_eq!(uri.to_string(), expected);
        }
        for (text, expected) in [
            ("http://h/{x}?'", "http://h/%7Bx%7D?%27"),
            ("http://h/?'ab", "http://h/?%27ab"),
            ("http://h/a?b", "http://h/a?b"),
        ] {
            let mut uri: Uri = text.parse().unwrap();
            encode_fully(&mut uri);
            assert_eq!(uri.to_string(), expected);
        }
    }

    #[test]
    fn a_url_is_shown_without_credentials() {
        for (text, expected) in [
            ("http://u:p@h:x/a@b", "http://h:x/a@b"),
            ("//u:p@h", "//h"),
            ("https:\\\\u:p@h\\x", "https:\\\\h\\x"),
            ("mailto:a@b.test", "mailto:a@b.test"),
            ("u:p@h/x@y", "h/x@y"),
            ("u@h", "h"),
            ("/a\u{1}@b", "/a?@b"),
        ] {
            assert_eq!(shown(text.as_bytes()), expected, "{text}");
        }
    }
}
