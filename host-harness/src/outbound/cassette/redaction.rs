//! What is kept out of a cassette.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};

/// What stands where a secret was.
const REDACTED: &str = "<redacted>";

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

/// What is kept out of a cassette, because it is secret: the values of some fields and of some parameters of the query.
///
/// A replay does not look at them, and answers with `<redacted>` where the answer had one. By default these are the
/// fields `authorization`, `proxy-authorization`, `cookie`, `set-cookie`, `api-key`, `x-api-key`, `x-goog-api-key`,
/// `x-auth-token`, `x-csrf-token` and `x-amz-security-token`, and the parameters `access_token`, `api_key`, `apikey`,
/// `client_secret` and `x-amz-signature`, in capitals or not. User and password in a URL are always kept out; bodies are
/// recorded as they are.
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

    /// Keeps out the values of one more parameter of the query.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>) -> Self {
        self.parameters.push(name.into());
        self
    }

    pub(super) fn hides(&self, field: &HeaderName) -> bool {
        self.fields.iter().any(|name| name.eq_ignore_ascii_case(field.as_str()))
    }

    pub(super) fn redact_fields(&self, fields: &HeaderMap) -> HeaderMap {
        let mut redacted = fields.clone();
        for (name, value) in &mut redacted {
            if self.hides(name) {
                *value = HeaderValue::from_static(REDACTED);
            }
        }
        redacted
    }

    pub(super) fn redact_url(&self, url: &Uri) -> String {
        let text = url.to_string();
        let (start, query) = match text.split_once('?') {
            Some((start, query)) => (start, Some(query)),
            None => (text.as_str(), None),
        };
        let mut redacted = match url.authority().and_then(|authority| authority.as_str().rsplit_once('@')) {
            Some((secret, _)) => start.replacen(secret, REDACTED, 1),
            None => start.to_owned(),
        };
        if let Some(query) = query {
            let parameters: Vec<Cow<'_, str>> = query.split('&').map(|pair| self.redact_parameter(pair)).collect();
            redacted.push('?');
            redacted.push_str(&parameters.join("&"));
        }
        redacted
    }

    fn redact_parameter<'a>(&self, pair: &'a str) -> Cow<'a, str> {
        match pair.split_once('=') {
            Some((name, _)) if self.parameters.iter().any(|hidden| hidden.eq_ignore_ascii_case(name)) => {
                Cow::Owned(format!("{name}={REDACTED}"))
            }
            _ => Cow::Borrowed(pair),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_a_url_are_kept_out() {
        let redact = |url: &str| Redaction::default().parameter("sig").redact_url(&url.parse().unwrap());
        assert_eq!(redact("http://a.test/x?y=1"), "http://a.test/x?y=1");
        assert_eq!(
            redact("http://ada:1234@a.test/ada:1234?API_KEY=s&y=1&sig=2"),
            "http://<redacted>@a.test/ada:1234?API_KEY=<redacted>&y=1&sig=<redacted>"
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
