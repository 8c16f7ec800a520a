//! Removes secrets from the calls that cassettes record.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::show::{redact_userinfo, without_userinfo};

/// The text in place of a secret.
const REDACTED: &str = "<redacted>";
/// The text in place of a secret in a URL. The URL stays valid, because a component may call it during a replay.
const REDACTED_IN_URL: &[u8] = b"redacted";

/// Headers with secret values. Cassettes and saved tests use this list and [`PARAMETERS`].
const FIELDS: [&str; 15] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "api-key",
    "x-api-key",
    "x-goog-api-key",
    "x-access-token",
    "x-auth-token",
    "x-csrf-token",
    "x-xsrf-token",
    "x-vault-token",
    "private-token",
    "x-amz-security-token",
    "x-goog-iam-authorization-token",
];

/// Parameters of URLs and forms with secret values. `code` is not among them: in OAuth it works once and only with
/// another secret, and in most other APIs it is plain data that distinguishes calls.
const PARAMETERS: [&str; 23] = [
    "access_token",
    "api_key",
    "api-key",
    "apikey",
    "assertion",
    "auth_token",
    "client_assertion",
    "client_secret",
    "id_token",
    "key",
    "passwd",
    "password",
    "refresh_token",
    "secret",
    "session_token",
    "sig",
    "signature",
    "token",
    "x-amz-credential",
    "x-amz-security-token",
    "x-amz-signature",
    "x-goog-credential",
    "x-goog-signature",
];

/// The values that a cassette leaves out because they are secret: of some headers, and of some parameters of URLs and
/// forms.
///
/// A replay does not compare these values, and responds with `<redacted>` in their place. Names are case-insensitive.
/// The default is
///
/// - the fields `authorization`, `proxy-authorization`, `cookie`, `set-cookie`, `api-key`, `x-api-key`,
///   `x-goog-api-key`, `x-access-token`, `x-auth-token`, `x-csrf-token`, `x-xsrf-token`, `x-vault-token`,
///   `private-token`, `x-amz-security-token` and `x-goog-iam-authorization-token`;
/// - the parameters `access_token`, `api_key`, `api-key`, `apikey`, `assertion`, `auth_token`, `client_assertion`,
///   `client_secret`, `id_token`, `key`, `passwd`, `password`, `refresh_token`, `secret`, `session_token`, `sig`,
///   `signature`, `token`, `x-amz-credential`, `x-amz-security-token`, `x-amz-signature`, `x-goog-credential` and
///   `x-goog-signature`, even if their names are percent-encoded.
///
/// User information in a URL is always left out.
///
/// Parameters are redacted in the URLs of calls, in URLs within headers such as `location`, and in bodies of the type
/// `application/x-www-form-urlencoded`. The results stay valid URLs and forms, with `redacted` as value, so that a
/// replay can follow redirects. Other bodies are recorded unchanged.
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
    /// Leaves out only user information in URLs.
    #[must_use]
    pub fn none() -> Self {
        Self { fields: Vec::new(), parameters: Vec::new() }
    }

    /// Leaves out the values of another header.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>) -> Self {
        self.fields.push(name.into().to_ascii_lowercase());
        self
    }

    /// Leaves out the values of another parameter: of URLs, in query and fragment, and of forms.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>) -> Self {
        self.parameters.push(name.into());
        self
    }

    pub(super) fn hides(&self, field: &HeaderName) -> bool {
        self.fields.iter().any(|name| name.eq_ignore_ascii_case(field.as_str()))
    }

    /// Redacts headers: replaces secret values, and the secrets in URLs within other values.
    pub(super) fn redact_fields(&self, fields: &HeaderMap) -> HeaderMap {
        let mut redacted = fields.clone();
        for (name, value) in &mut redacted {
            let without = match value.as_bytes() {
                _ if self.hides(name) => Ok(HeaderValue::from_static(REDACTED)),
                host if *name == header::HOST => HeaderValue::from_bytes(without_userinfo(host)),
                text => HeaderValue::from_bytes(&self.redact_urls(text)),
            };
            *value = without.unwrap_or(HeaderValue::from_static(REDACTED));
        }
        redacted
    }

    pub(super) fn redact_url(&self, url: &str) -> String {
        String::from_utf8_lossy(&self.redact_urls(url.as_bytes())).into_owned()
    }

    /// Redacts the URLs in a text, absolute or relative.
    fn redact_urls(&self, text: &[u8]) -> Vec<u8> {
        self.redact_parameters(&redact_userinfo(text))
    }

    /// Redacts the body of a message, if the body is a form.
    pub(super) fn redact_body(&self, fields: &HeaderMap, body: Bytes) -> Bytes {
        if !is_form(fields) {
            return body;
        }
        let pairs = body.split(|byte| *byte == b'&');
        let pairs: Vec<Vec<u8>> = pairs.map(|pair| self.redact_pair(pair).unwrap_or_else(|| pair.to_vec())).collect();
        pairs.join(&b'&').into()
    }

    /// Whether a message contains a secret, in its headers or in a form.
    pub(crate) fn finds_secrets(&self, fields: &HeaderMap, body: &Bytes) -> bool {
        self.redact_fields(fields) != *fields || self.redact_body(fields, body.clone()) != *body
    }

    /// Whether a URL contains a secret.
    pub(crate) fn finds_secrets_in_url(&self, url: &str) -> bool {
        self.redact_url(url) != url
    }

    /// Redacts the secret parameters of URLs, in the query and in the fragment, where some servers put tokens.
    fn redact_parameters(&self, text: &[u8]) -> Vec<u8> {
        let mut redacted = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.iter().position(|byte| b"?&#".contains(byte)) {
            redacted.extend_from_slice(&rest[..=start]);
            rest = &rest[start + 1..];
            // `>` ends a URL in a `link` header. Spaces and quotes do not end a URL, because senders often leave them
            // unencoded.
            let end = rest.iter().position(|byte| b"&#>".contains(byte)).unwrap_or(rest.len());
            if let Some(pair) = self.redact_pair(&rest[..end]) {
                redacted.extend_from_slice(&pair);
                rest = &rest[end..];
            }
        }
        redacted.extend_from_slice(rest);
        redacted
    }

    /// Returns `name=redacted` for a pair `name=value` whose value is secret, otherwise `None`.
    fn redact_pair(&self, pair: &[u8]) -> Option<Vec<u8>> {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        self.hides_parameter(&pair[..equals]).then(|| [&pair[..=equals], REDACTED_IN_URL].concat())
    }

    fn hides_parameter(&self, name: &[u8]) -> bool {
        // Decodes the name as a form with one parameter, which has no value.
        let decoded: Vec<(String, String)> = serde_urlencoded::from_bytes(name).unwrap_or_default();
        let is = |hidden: &String| decoded.first().is_some_and(|(name, _)| hidden.eq_ignore_ascii_case(name.trim()));
        self.parameters.iter().any(is)
    }
}

/// Whether the body of a message is a form of the type whose parameters are encoded as in URLs.
pub(super) fn is_form(fields: &HeaderMap) -> bool {
    let media_type = fields.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_a_url_are_kept_out() {
        let redaction = Redaction::default().parameter("own");
        for (url, expected) in [
            ("http://a.test/x?y=1", "http://a.test/x?y=1"),
            ("http://a.test/?OWN=1&y=2", "http://a.test/?OWN=redacted&y=2"),
            ("http://a.test/?next=/x?sig=1&y=2", "http://a.test/?next=/x?sig=redacted&y=2"),
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
    fn a_secret_parameter_is_known_in_capitals_and_percent_encoded() {
        for name in [
            "sig",
            "Signature",
            "key",
            "token",
            "PASSWORD",
            "refresh_token",
            "id_token",
            "access_token",
            "client_secret",
            "api_key",
            "apikey",
            "X-Amz-Security-Token",
            "X-Amz-Signature",
            "X-Amz-Credential",
            "X-Goog-Signature",
            "%73ig",
            "acces%73%5Ftoken",
            "%54oken",
        ] {
            let url = Redaction::default().redact_url(&format!("https://a.test/?a=1&{name}=s3cret&b=2#{name}=s3cret"));
            assert_eq!(url, format!("https://a.test/?a=1&{name}=redacted&b=2#{name}=redacted"));
        }
        for name in ["code", "keys", "monkey", "tokens", "page", "%6Bind"] {
            let url = format!("https://a.test/?{name}=plain");
            assert_eq!(Redaction::default().redact_url(&url), url);
        }
    }

    #[test]
    fn secrets_in_forms_are_kept_out() {
        let fields = |media_type: &'static str| {
            HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(media_type))])
        };
        let form = Bytes::from("user=ada&password=s3cret&client%5Fsecret=s3cret&next=%3Fa&token=s3cret");
        let expected = "user=ada&password=redacted&client%5Fsecret=redacted&next=%3Fa&token=redacted";
        for media_type in ["application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded; charset=utf-8"] {
            assert_eq!(Redaction::default().redact_body(&fields(media_type), form.clone()), expected);
            assert!(Redaction::default().finds_secrets(&fields(media_type), &form));
        }
        for media_type in ["text/plain", "application/json"] {
            assert_eq!(Redaction::default().redact_body(&fields(media_type), form.clone()), form);
        }
        assert_eq!(Redaction::none().redact_body(&fields("application/x-www-form-urlencoded"), form.clone()), form);
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
