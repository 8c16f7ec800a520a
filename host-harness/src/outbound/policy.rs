//! Which servers a component may call.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, Scheme};

use crate::Error;

/// One entry of the list of servers that a component may call.
///
/// Written `[scheme://]host[:port]`. The scheme is `http` or `https`, both if there is none; the port is the scheme's
/// own if there is none. A host `*.example.org` stands for every name below `example.org`, `*` for every server.
///
/// # Examples
///
/// ```
/// use wayside_harness::Rule;
///
/// let rule: Rule = "https://*.example.org".parse()?;
/// assert!(rule.allows(&"https://api.example.org/v1".parse().unwrap()));
/// assert!(!rule.allows(&"http://api.example.org/v1".parse().unwrap()));
/// # Ok::<(), wayside_harness::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    scheme: Option<Scheme>,
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Any,
    /// With the leading dot.
    Below(String),
    Name(String),
}

impl Rule {
    /// Whether this rule allows a call to the URI.
    #[must_use]
    pub fn allows(&self, uri: &Uri) -> bool {
        let (Some(scheme), Some(host)) = (uri.scheme(), uri.host()) else {
            return false;
        };
        let host = host.to_ascii_lowercase();
        let host_matches = match &self.host {
            Host::Any => true,
            Host::Below(suffix) => host.ends_with(suffix.as_str()),
            Host::Name(name) => host == *name,
        };
        let port = port_of(uri);
        let port_matches = match (self.port, &self.host) {
            (Some(wanted), _) => port == Some(wanted),
            (None, Host::Any) => true,
            (None, _) => port == default_port(scheme),
        };
        host_matches && port_matches && self.scheme.as_ref().is_none_or(|wanted| wanted == scheme)
    }
}

fn default_port(scheme: &Scheme) -> Option<u16> {
    match scheme.as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

fn port_of(uri: &Uri) -> Option<u16> {
    uri.port_u16().or_else(|| uri.scheme().and_then(default_port))
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = |why: &str| {
            Error::new(format!("`{text}` is no pattern for outbound calls: {why}"))
                .with_help("write `[scheme://]host[:port]`, as in `https://api.example.org`, `*.example.org` or `*`")
        };
        let (scheme, rest) = match text.split_once("://") {
            Some(("http", rest)) => (Some(Scheme::HTTP), rest),
            Some(("https", rest)) => (Some(Scheme::HTTPS), rest),
            Some((scheme, _)) => return Err(invalid(&format!("the scheme `{scheme}` is neither http nor https"))),
            None => (None, text),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('/') {
            return Err(invalid("it names a path, and a path cannot be restricted"));
        }
        if rest == "*" {
            return Ok(Self { scheme, host: Host::Any, port: None });
        }
        // `*` is no character of a host name, so the wildcard is taken off before the parse.
        let (wildcard, name) = match rest.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, rest),
        };
        let authority = Authority::from_str(name).map_err(|error| invalid(&error.to_string()))?;
        if authority.host().is_empty() || authority.host().contains('*') {
            return Err(invalid("it has no host, or a `*` that is not in front of it"));
        }
        if authority.as_str().contains('@') {
            return Err(invalid("it has credentials in front of the host"));
        }
        let port = authority.port_u16();
        if port.is_none() && authority.as_str().len() > authority.host().len() {
            return Err(invalid("its port is not a number from 0 to 65535"));
        }
        let host = authority.host().to_ascii_lowercase();
        Ok(Self { scheme, host: if wildcard { Host::Below(format!(".{host}")) } else { Host::Name(host) }, port })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = &self.scheme {
            write!(f, "{scheme}://")?;
        }
        match &self.host {
            Host::Any => f.write_str("*")?,
            Host::Below(suffix) => write!(f, "*{suffix}")?,
            Host::Name(name) => f.write_str(name)?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// Denies a call that no rule allows, with a sentence that says how to allow it.
pub(super) fn check(rules: &[Rule], uri: &Uri) -> Result<(), String> {
    if rules.iter().any(|rule| rule.allows(uri)) {
        return Ok(());
    }
    let scheme = uri.scheme_str().unwrap_or("https");
    let host = uri.host().unwrap_or_default();
    let port = match uri.port_u16() {
        Some(port) => format!(":{port}"),
        None => String::new(),
    };
    let target = format!("{scheme}://{host}{port}");
    Err(format!("denied the outbound call to {target}; allow it with `--allow-outbound {target}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(rule: &str, uri: &str) -> bool {
        rule.parse::<Rule>().unwrap().allows(&uri.parse().unwrap())
    }

    #[test]
    fn a_host_allows_both_schemes_on_their_own_ports() {
        assert!(allows("example.org", "http://example.org/a"));
        assert!(allows("example.org", "https://EXAMPLE.org:443/a"));
        assert!(!allows("example.org", "http://example.org:8080/a"));
        assert!(!allows("example.org", "http://sub.example.org/a"));
        assert!(!allows("example.org", "http://example.org.evil.test/a"));
    }

    #[test]
    fn a_scheme_and_a_port_restrict() {
        assert!(allows("http://127.0.0.1:8000", "http://127.0.0.1:8000/"));
        assert!(!allows("http://127.0.0.1:8000", "http://127.0.0.1:8001/"));
        assert!(!allows("http://127.0.0.1:8000", "https://127.0.0.1:8000/"));
        assert!(allows("https://example.org:443", "https://example.org/"));
    }

    #[test]
    fn a_wildcard_stands_for_what_is_below() {
        assert!(allows("*.example.org", "https://a.b.example.org/"));
        assert!(!allows("*.example.org", "https://example.org/"));
        assert!(!allows("*.example.org", "https://badexample.org/"));
        assert!(allows("*", "http://anything.test:81/"));
        assert!(!allows("https://*", "http://anything.test/"));
    }

    #[test]
    fn an_ipv6_host_is_a_host() {
        assert!(allows("http://[::1]:8000", "http://[::1]:8000/"));
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_the_way_out() {
        for bad in ["", "ftp://a", "http://", "a b", "host/path", "a:99999", "a:x", "*.*.a", "u@a", "http://*."] {
            let error = bad.parse::<Rule>().unwrap_err();
            assert!(error.to_string().contains(&format!("`{bad}`")), "{error}");
            assert!(error.help().is_some());
        }
    }

    #[test]
    fn a_rule_prints_as_it_is_written() {
        for text in ["*", "https://*.example.org:444", "example.org", "http://[::1]:80"] {
            assert_eq!(text.parse::<Rule>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_denial_names_the_flag() {
        let denied = check(&[], &"http://example.org:81/secret?x=1".parse().unwrap()).unwrap_err();
        assert!(denied.contains("`--allow-outbound http://example.org:81`"), "{denied}");
        assert!(!denied.contains("secret"));
    }
}
