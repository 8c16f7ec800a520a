//! Redacts user information in URLs.

use http::Uri;

/// The text in place of user information. It is a plain word, so that the URL stays valid.
const REDACTED: &[u8] = b"redacted@";

/// Formats a URI without user information (RFC 9110, section 4.2.4).
///
/// ```
/// let uri = "http://ada:secret@example.org/?q=1".parse().unwrap();
/// assert_eq!(wayside_harness::show::url(&uri), "http://redacted@example.org/?q=1");
/// ```
#[must_use]
pub fn url(uri: &Uri) -> String {
    match uri.authority() {
        // The target of CONNECT is an authority without slashes in front of it.
        Some(authority) if uri.scheme().is_none() => lossy(redact_authority(authority.as_str().as_bytes())),
        _ => urls(&uri.to_string()),
    }
}

/// Redacts the user information of all URLs in a text.
///
/// ```
/// assert_eq!(wayside_harness::show::urls("cannot call `http://ada:secret@b.test/`"), "cannot call `http://redacted@b.test/`");
/// ```
#[must_use]
pub fn urls(text: &str) -> String {
    lossy(redact_without_slashes(&redact_userinfo(text.as_bytes())))
}

/// Removes the user information of all URLs in a text, so that URLs that differ in nothing else become equal.
pub(crate) fn bare_urls(text: &str) -> String {
    lossy(replace_userinfo(text.as_bytes(), b""))
}

/// Redacts the user information of all URLs that contain `//`, in a text in any encoding.
pub(crate) fn redact_userinfo(text: &[u8]) -> Vec<u8> {
    replace_userinfo(text, REDACTED)
}

/// Formats an authority without user information.
pub(crate) fn redact_authority(authority: &[u8]) -> Vec<u8> {
    let host = without_userinfo(authority);
    let redacted = if host.len() < authority.len() { REDACTED } else { b"" };
    [redacted, host].concat()
}

/// Removes the user information and the `@` from an authority.
pub(crate) fn without_userinfo(authority: &[u8]) -> &[u8] {
    match authority.iter().rposition(|byte| *byte == b'@') {
        Some(at) => &authority[at + 1..],
        None => authority,
    }
}

/// Converts a redacted text to a string. UTF-8 stays UTF-8, because a redaction begins and ends at ASCII characters.
fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Replaces the text between `//` and `@` in every authority.
fn replace_userinfo(text: &[u8], replacement: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(text.len());
    let mut done = 0;
    while let Some(slashes) = text[done..].windows(2).position(|two| two == b"//") {
        let start = done + slashes + 2;
        replaced.extend_from_slice(&text[done..start]);
        let ends = |byte: &u8| b"/?# \t\r\n<>\"`".contains(byte);
        let end = start + text[start..].iter().position(ends).unwrap_or(text.len() - start);
        let (authority, host) = (&text[start..end], without_userinfo(&text[start..end]));
        if host.len() < authority.len() && begins_authority(&text[..start]) {
            replaced.extend_from_slice(replacement);
            replaced.extend_from_slice(host);
        } else {
            replaced.extend_from_slice(authority);
        }
        done = end;
    }
    replaced.extend_from_slice(&text[done..]);
    replaced
}

/// Redacts `user:password@host` without a scheme: a word with a colon before an `@`, and no slash before these. E-mail
/// addresses stay.
fn redact_without_slashes(text: &[u8]) -> Vec<u8> {
    let mut redacted = Vec::with_capacity(text.len());
    for word in text.split_inclusive(|byte| b" \t\r\n<>\"`'()=".contains(byte)) {
        let end = word.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(word.len());
        let (authority, rest) = word.split_at(end);
        let host = without_userinfo(authority);
        let userinfo = &authority[..authority.len() - host.len()];
        if userinfo.contains(&b':') && !userinfo.starts_with(b"mailto:") {
            redacted.extend_from_slice(REDACTED);
            redacted.extend_from_slice(host);
            redacted.extend_from_slice(rest);
        } else {
            redacted.extend_from_slice(word);
        }
    }
    redacted
}

/// Whether the two slashes at the end of a text begin an authority, and are not part of a path.
fn begins_authority(before: &[u8]) -> bool {
    before.iter().rev().nth(2).is_none_or(|byte| b":=`' \t\r\n<>\"(".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_are_hidden_wherever_a_url_stands() {
        for (text, expected) in [
            ("http://ada:1234@a.test/b", "http://redacted@a.test/b"),
            ("https://ada@a.test", "https://redacted@a.test"),
            ("http://a@b@c.test/", "http://redacted@c.test/"),
            ("//ada:1@a.test/", "//redacted@a.test/"),
            ("`http://ada:1@a.test`: refused", "`http://redacted@a.test`: refused"),
            ("GET /?next=http://ada:1@b.test/ 200", "GET /?next=http://redacted@b.test/ 200"),
            ("http://ada:1@a.test http://bob:2@b.test", "http://redacted@a.test http://redacted@b.test"),
            ("one\n//ada:1@a.test\ntwo", "one\n//redacted@a.test\ntwo"),
            ("redis://:secret@127.0.0.1:6379/0", "redis://redacted@127.0.0.1:6379/0"),
            ("u:sek@h/x", "redacted@h/x"),
            ("the address `u:sek@127.0.0.1:0` is not valid", "the address `redacted@127.0.0.1:0` is not valid"),
            ("UPSTREAM=u:sek@h", "UPSTREAM=redacted@h"),
            ("u:a@b@h then", "redacted@h then"),
            ("mailto:ada@b.test", "mailto:ada@b.test"),
            ("/pkg:1@2 a:1 b@2", "/pkg:1@2 a:1 b@2"),
            ("http://[::1]:80/", "http://[::1]:80/"),
            ("http://a.test/b//ada@c/", "http://a.test/b//ada@c/"),
            ("http://a.test/?mail=ada@b.test", "http://a.test/?mail=ada@b.test"),
            ("mail to ada@b.test // not@a.url", "mail to ada@b.test // not@a.url"),
        ] {
            assert_eq!(urls(text), expected);
            assert_eq!(urls(expected), expected, "it is redacted twice");
        }
    }

    #[test]
    fn a_uri_of_any_form_is_shown_without_its_password() {
        for (uri, expected) in [
            ("http://ada:1234@a.test/b", "http://redacted@a.test/b"),
            ("ada:1234@a.test:443", "redacted@a.test:443"),
            ("a.test:443", "a.test:443"),
            ("/path?q=1", "/path?q=1"),
            ("*", "*"),
        ] {
            assert_eq!(url(&uri.parse().unwrap()), expected);
        }
    }

    #[test]
    fn urls_that_differ_in_their_password_are_equal_without_it() {
        assert_eq!(bare_urls("http://ada:1@a.test/"), bare_urls("http://a.test/"));
    }
}
