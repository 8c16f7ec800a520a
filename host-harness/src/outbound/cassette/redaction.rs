//! What is kept out of a cassette.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// What stands where a secret was.
const REDACTED: &str = "<redacted>";
/// The same in a URL, which remains one: a component may call it.
const REDACTED_IN_URL: &[u8] = b"redacted";

const FIELDS: [&str; 10] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "api-key",
    "x-api-key",
    "x-goog-api-key",
    "x-auth-token",
    "x-csrf-token",
    "x-amz-security-token",
];
const PARAMETERS: [&str; 5] = ["access_token", "api_key", "apikey", "client_secret", "x-amz-signature"];

/// What is kept out of a cassette, because it is secret: the values of some fields and of some parameters of URLs.
///
/// A replay does not look at them, and answers with `<redacted>` where the answer had one. By default these are the
/// fields `authorization`, `proxy-authorization`, `cookie`, `set-cookie`, `api-key`, `x-api-key`, `x-goog-api-key`,
/// `x-auth-token`, `x-csrf-token` and `x-amz-security-token`, and the parameters `access_token`, `api_key`, `apikey`,
/// `client_secret` and `x-amz-signature`, in capitals or not. User and password in a URL are always kept out.
///
/// URLs are those that are called, and those in fields, as of a `location`. They stay URLs, with `redacted` in them, so
/// that a redirect can be followed when it is replayed. Bodies are recorded as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redaction {
    pub(super) fields: Vec<String>,
    pub(super) parameters: Vec<String>,
}

impl Default for Redaction {
    fn default() -> Self {
        Self { fields: FIELDS.map(str::to_owned).to_vec(), parameters: PARAMETERS.map(str::to_owned).to_vec() }
    }
}

impl Redaction {
    /// Keeps nothing out but user and password in a URL.
    #[must_use]
    pub fn none() -> Self {
        Self { fields: Vec::new(), parameters: Vec::new() }
    }

    /// Keeps out the values of one more field.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>) -> Self {
        self.fields.push(name.into().to_ascii_lowercase());
        self
    }

    /// Keeps out the values of one more parameter of URLs, in their query or their fragment.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>) -> Self {
        self.parameters.push(name.into());
        self
    }

    pub(super) fn hides(&self, field: &HeaderName) -> bool {
        self.fields.iter().any(|name| name.eq_ignore_ascii_case(field.as_str()))
    }

    /// The fields without the values that are secret, and without what is secret in URLs among the other values.
    pub(super) fn redact_fields(&self, fields: &HeaderMap) -> HeaderMap {
        let mut redacted = fields.clone();
        for (name, value) in &mut redacted {
            let without = match value.as_bytes() {
                _ if self.hides(name) => Ok(HeaderValue::from_static(REDACTED)),
                host if *name == header::HOST => HeaderValue::from_bytes(without_credentials(host)),
                text => HeaderValue::from_bytes(&self.redact_urls(text)),
            };
            *value = without.unwrap_or(HeaderValue::from_static(REDACTED));
        }
        redacted
    }

    pub(super) fn redact_url(&self, url: &str) -> String {
        String::from_utf8_lossy(&self.redact_urls(url.as_bytes())).into_owned()
    }

    /// A text without what is secret in its URLs, which may be absolute or not.
    fn redact_urls(&self, text: &[u8]) -> Vec<u8> {
        self.redact_parameters(&redact_credentials(text))
    }

    /// Takes out the values of secret parameters, in the query and in the fragment, which some servers use for tokens.
    fn redact_parameters(&self, text: &[u8]) -> Vec<u8> {
        let mut redacted = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.iter().position(|byte| b"?&#".contains(byte)) {
            redacted.extend_from_slice(&rest[..=start]);
            rest = &rest[start + 1..];
            // `>` ends the URLs of `link`. Spaces and quotes are no end: what should be encoded, often is not.
            let end = rest.iter().position(|byte| b"&#>".contains(byte)).unwrap_or(rest.len());
            if let Some(equals) = rest[..end].iter().position(|byte| *byte == b'=')
                && self.hides_parameter(&rest[..equals])
            {
                redacted.extend_from_slice(&rest[..=equals]);
                redacted.extend_from_slice(REDACTED_IN_URL);
                rest = &rest[end..];
            }
        }
        redacted.extend_from_slice(rest);
        redacted
    }

    fn hides_parameter(&self, name: &[u8]) -> bool {
        self.parameters.iter().any(|hidden| hidden.as_bytes().eq_ignore_ascii_case(name))
    }
}

/// Takes out user and password of every authority: what stands between `//` and `@`.
fn redact_credentials(text: &[u8]) -> Vec<u8> {
    let mut redacted = Vec::with_capacity(text.len());
    let mut done = 0;
    while let Some(slashes) = text[done..].windows(2).position(|two| two == b"//") {
        let start = done + slashes + 2;
        redacted.extend_from_slice(&text[done..start]);
        let end =
            start + text[start..].iter().position(|byte| b"/?# \t<>\"".contains(byte)).unwrap_or(text.len() - start);
        let (authority, host) = (&text[start..end], without_credentials(&text[start..end]));
        if host.len() < authority.len() && begins_authority(&text[..start]) {
            redacted.extend_from_slice(REDACTED_IN_URL);
            redacted.push(b'@');
            redacted.extend_from_slice(host);
        } else {
            redacted.extend_from_slice(authority);
        }
        done = end;
    }
    redacted.extend_from_slice(&text[done..]);
    redacted
}

/// Whether two slashes stand in front of an authority, and not within a path.
fn begins_authority(before: &[u8]) -> bool {
    before.iter().rev().nth(2).is_none_or(|byte| b":= \t<>\"".contains(byte))
}

fn without_credentials(authority: &[u8]) -> &[u8] {
    match authority.iter().rposition(|byte| *byte == b'@') {
        Some(at) => &authority[at + 1..],
        None => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_a_url_are_kept_out() {
        let redaction = Redaction::default().parameter("sig");
        for (url, expected) in [
            ("http://a.test/x?y=1", "http://a.test/x?y=1"),
            (
                "http://ada:1234@a.test/ada:1234?API_KEY=s&y=1&sig=2",
                "http://redacted@a.test/ada:1234?API_KEY=redacted&y=1&sig=redacted",
            ),
            ("http://http@a.test/", "http://redacted@a.test/"),
            ("http://a@b@c.test?sig=/?sig=1", "http://redacted@c.test?sig=redacted"),
            ("/x?sig={\"a\": 1}&y#access_token=2", "/x?sig=redacted&y#access_token=redacted"),
            ("//ada@a.test/", "//redacted@a.test/"),
            ("http://a.test/b//ada@c/", "http://a.test/b//ada@c/"),
            ("http://a.test/?next=http://ada:1@b.test/", "http://a.test/?next=http://redacted@b.test/"),
            ("http://a.test/?sig&sigh=1&x=sig", "http://a.test/?sig&sigh=1&x=sig"),
        ] {
            assert_eq!(redaction.redact_url(url), expected);
            assert_eq!(redaction.redact_url(expected), expected, "it is redacted twice");
        }
    }

    #[test]
    fn secrets_in_the_urls_of_fields_are_kept_out() {
        let redact = |name: &'static str, value: &[u8]| {
            let fields = HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_bytes(value).unwrap())]);
            Redaction::default().redact_fields(&fields)[name].as_bytes().to_vec()
        };
        assert_eq!(redact("host", b"ada:1234@a.test:80"), b"a.test:80");
        assert_eq!(redact("location", b"/final?x-amz-signature=1&y=2"), b"/final?x-amz-signature=redacted&y=2");
        assert_eq!(redact("referer", b"http://ada:1234@a.test/caf\xe9"), b"http://redacted@a.test/caf\xe9");
        assert_eq!(
            redact("link", b"</a?api_key=1>; rel=next, <https://ada@b.test/?y=1&api_key=2>; rel=prev"),
            b"</a?api_key=redacted>; rel=next, <https://redacted@b.test/?y=1&api_key=redacted>; rel=prev"
        );
    }

    #[test]
    fn every_value_of_a_secret_field_is_kept_out() {
        let mut fields = HeaderMap::new();
        fields.append("set-cookie", "a=1".parse().unwrap());
        fields.append("set-cookie", "b=2".parse().unwrap());
        fields.append("x-own", "c".parse().unwrap());
        let redacted = Redaction::default().field("X-Own").redact_fields(&fields);
        assert!(redacted.values().all(|value| value == REDACTED));
        assert_eq!(Redaction::none().redact_fields(&fields), fields);
    }
}
