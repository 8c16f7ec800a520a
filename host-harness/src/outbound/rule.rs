//! A rule that allows outbound calls to some servers.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, Scheme};
use ipnet::IpNet;

use super::permitted::Addresses;
use crate::{Error, show};

/// A rule that allows outbound calls to some servers.
///
/// The syntax is `[scheme://]host[:port]`. The scheme is `http` or `https`. A rule without a scheme allows both. The
/// port is a number or a range such as `8000-8099`. A rule without a port allows the default port of the scheme. The
/// host is one of:
///
/// - a name or an address, such as `example.org`, `127.0.0.1` or `[::1]`. This allows that server, whatever address its
///   name resolves to;
/// - `*.example.org` for every name below `example.org`, or `*` for every server on every port. Both allow only public
///   addresses. They deny private, loopback and link-local addresses and the other special ones of RFC 6890, even if a
///   name resolves to one;
/// - a range of addresses (CIDR), such as `10.0.0.0/8` or `fd00::/8`, or `[fd00::/8]:8080` with a port. This allows
///   every server whose address is in the range, even if the URL contains a name that resolves to it.
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
    ports: Option<RangeInclusive<u16>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Any,
    /// The end of the allowed names, with its leading dot.
    Below(String),
    Name(String),
    Address(IpAddr),
    Net(IpNet),
}

impl Rule {
    /// Whether this rule allows a call to the URI, as far as this is known before the name of the server is resolved.
    #[must_use]
    pub fn allows(&self, uri: &Uri) -> bool {
        let mut addresses = Addresses::default();
        self.permit(uri, &mut addresses);
        match uri.host().and_then(address) {
            Some(address) => addresses.allow(address).is_ok(),
            None => addresses.any || addresses.public,
        }
    }

    /// Adds the addresses at which this rule permits a call to the URI.
    pub(super) fn permit(&self, uri: &Uri, addresses: &mut Addresses) {
        if !self.is_for(uri) {
            return;
        }
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        match &self.host {
            Host::Any => addresses.public = true,
            Host::Below(suffix) => addresses.public |= host.ends_with(suffix.as_str()),
            Host::Name(name) => addresses.any |= host == *name,
            Host::Address(allowed) => addresses.any |= address(&host) == Some(*allowed),
            Host::Net(net) => addresses.nets.push(*net),
        }
    }

    /// Whether the scheme and the port of a URI match this rule.
    fn is_for(&self, uri: &Uri) -> bool {
        let Some(scheme) = uri.scheme() else {
            return false;
        };
        let port = port_of(uri);
        let port_fits = match (&self.ports, &self.host) {
            (Some(wanted), _) => port.is_some_and(|port| wanted.contains(&port)),
            (None, Host::Any) => true,
            (None, _) => port == default_port(scheme),
        };
        port_fits && self.scheme.as_ref().is_none_or(|wanted| wanted == scheme)
    }
}

pub(super) fn default_port(scheme: &Scheme) -> Option<u16> {
    match scheme.as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

fn port_of(uri: &Uri) -> Option<u16> {
    uri.port_u16().or_else(|| uri.scheme().and_then(default_port))
}

/// Parses a host that is an address. Returns `None` for a name.
pub(super) fn address(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse().ok()
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (scheme, rest) = match text.split_once("://") {
            Some(("http", rest)) => (Some(Scheme::HTTP), rest),
            Some(("https", rest)) => (Some(Scheme::HTTPS), rest),
            Some((scheme, _)) => {
                return Err(invalid(text, &format!("the scheme `{scheme}` is neither http nor https")));
            }
            None => (None, text),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('@') {
            return Err(invalid(text, "user information in front of the host is not allowed"));
        }
        // Parses a range of addresses first, because the colons of an IPv6 range do not precede a port.
        if let Ok(net) = rest.parse() {
            return Ok(Self { scheme, host: Host::Net(net), ports: None });
        }
        let (host, ports) = match rest.rsplit_once(':') {
            Some((host, ports)) if !ports.ends_with(']') => (host, Some(parse_ports(text, ports)?)),
            _ => (rest, None),
        };
        Ok(Self { scheme, host: parse_host(text, host)?, ports })
    }
}

fn invalid(text: &str, why: &str) -> Error {
    Error::new(format!("`{}` is not a pattern for outbound calls: {why}", show::urls(text))).with_help(
        "write `[scheme://]host[:port]`, as in `https://api.example.org`, `*.example.org:8000-8099`, `10.0.0.0/8` or `*`",
    )
}

fn parse_ports(text: &str, ports: &str) -> Result<RangeInclusive<u16>, Error> {
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if first <= last => Ok(first..=last),
        (Ok(_), Ok(_)) => Err(invalid(text, "its range of ports ends before it begins")),
        _ => Err(invalid(text, "its port is neither a number from 0 to 65535 nor a range of them")),
    }
}

fn parse_host(text: &str, host: &str) -> Result<Host, Error> {
    if host == "*" {
        return Ok(Host::Any);
    }
    if let Some(address) = address(host) {
        return Ok(Host::Address(address));
    }
    if host.contains('/') {
        let net = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse();
        return net.map(Host::Net).map_err(|_| {
            invalid(text, "what has a `/` in it is a range of addresses, and a path cannot be restricted")
        });
    }
    // `*` is not valid in a host name, so the wildcard is removed before the host is parsed.
    let (is_below, name) = match host.strip_prefix("*.") {
        Some(name) => (true, name),
        None => (false, host),
    };
    let authority = Authority::from_str(name).map_err(|error| invalid(text, &error.to_string()))?;
    if authority.host() != name || name.is_empty() || name.contains('*') {
        return Err(invalid(text, "it has no host, or a `*` that is not in front of it"));
    }
    // URLs may contain other characters, but names that resolve do not. A comma, for example, probably separates two
    // patterns.
    if let Some(odd) = name.chars().find(|char| !char.is_ascii_alphanumeric() && !"-._".contains(*char)) {
        return Err(invalid(text, &format!("no host has `{odd}` in its name; give one pattern at a time")));
    }
    let name = name.to_ascii_lowercase();
    Ok(if is_below { Host::Below(format!(".{name}")) } else { Host::Name(name) })
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = &self.scheme {
            write!(f, "{scheme}://")?;
        }
        match (&self.host, &self.ports) {
            (Host::Any, _) => f.write_str("*")?,
            (Host::Below(suffix), _) => write!(f, "*{suffix}")?,
            (Host::Name(name), _) => f.write_str(name)?,
            (Host::Address(IpAddr::V6(address)), _) => write!(f, "[{address}]")?,
            (Host::Address(address), _) => write!(f, "{address}")?,
            (Host::Net(IpNet::V6(net)), Some(_)) => write!(f, "[{net}]")?,
            (Host::Net(net), _) => write!(f, "{net}")?,
        }
        match &self.ports {
            Some(ports) if ports.start() == ports.end() => write!(f, ":{}", ports.start()),
            Some(ports) => write!(f, ":{}-{}", ports.start(), ports.end()),
            None => Ok(()),
        }
    }
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
        assert!(allows("https://*", "https://anything.test:8443/"));
        assert!(!allows("https://*", "http://anything.test/"));
    }

    #[test]
    fn an_ipv6_host_is_a_host() {
        assert!(allows("http://[::1]:8000", "http://[::1]:8000/"));
    }

    #[test]
    fn a_range_of_ports_has_both_its_ends() {
        for (port, expected) in [(7999, false), (8000, true), (8099, true), (8100, false)] {
            assert_eq!(allows("example.org:8000-8099", &format!("http://example.org:{port}/")), expected, "{port}");
        }
    }

    #[test]
    fn a_range_of_addresses_allows_what_is_in_it() {
        assert!(allows("10.0.0.0/8", "http://10.1.2.3/"));
        assert!(!allows("10.0.0.0/8", "http://11.1.2.3/"));
        assert!(!allows("10.0.0.0/8", "http://10.1.2.3:8080/"));
        assert!(allows("http://10.0.0.0/8:8000-8080", "http://10.1.2.3:8080/"));
        assert!(allows("fd00::/8", "https://[fd00::1]/"));
        assert!(allows("[fd00::/8]:81", "http://[fd00::1]:81/"));
        assert!(allows("10.0.0.0/8", "http://[::ffff:10.0.0.1]/"));
    }

    #[test]
    fn a_wildcard_stands_for_no_special_address() {
        for uri in [
            "http://127.0.0.1/",
            "http://10.0.0.1/",
            "http://169.254.169.254/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
        ] {
            assert!(!allows("*", uri), "{uri}");
        }
        assert!(allows("*", "http://8.8.8.8/"));
        assert!(allows("[0:0:0:0:0:0:0:1]", "http://[::1]/"));
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_the_way_out() {
        for bad in [
            "",
            "ftp://a",
            "http://",
            "a b",
            "host/path",
            "a:99999",
            "a:x",
            "*.*.a",
            "u@a",
            "http://*.",
            "a:9-8",
            "a:1-",
            "10.0.0.0/33",
            "*.",
            "a/b",
            "a:b",
            "a:65536",
            "caf\u{e9}.test",
            "[::1",
            "a,b",
            "a;b",
        ] {
            let error = bad.parse::<Rule>().unwrap_err();
            assert!(error.to_string().contains(&format!("`{bad}`")), "{error}");
            assert!(error.help().is_some());
        }
    }

    #[test]
    fn a_pattern_with_a_password_is_refused_without_showing_it() {
        let error = "http://ada:s3cret@a.test".parse::<Rule>().unwrap_err().to_string();
        assert!(error.contains("`http://redacted@a.test`") && !error.contains("s3cret"), "{error}");
    }

    #[test]
    fn user_information_is_named_as_what_is_wrong_wherever_it_stands() {
        for bad in
            ["u@a", "u:p@a", "http://u:p@a", "http://u:p@a:80", "u:p@*.a.test", "http://u:p@[::1]:80", "u:p@10.0.0.0/8"]
        {
            let error = bad.parse::<Rule>().unwrap_err().to_string();
            assert!(error.contains("user information") && !error.contains("p@"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_rule_prints_as_it_is_written() {
        for text in [
            "*",
            "https://*.example.org:444",
            "example.org",
            "http://[::1]:80",
            "a:1-2",
            "10.0.0.0/8:81",
            "[fd00::/8]:81",
            "fd00::/8",
        ] {
            assert_eq!(text.parse::<Rule>().unwrap().to_string(), text);
        }
    }
}
