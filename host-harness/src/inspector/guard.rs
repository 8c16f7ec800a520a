//! Access control of the inspector: only its own pages may use it, and only under a local address.

use std::net::IpAddr;

use http::uri::Authority;
use http::{HeaderMap, Method, Request, header};

use crate::message::body::Body;

/// Returns the reason to reject a request.
pub(super) fn objection(request: &Request<Body>) -> Option<&'static str> {
    let authority = authority(request);
    // Rejects names of other hosts, which an attacker can make resolve to this machine (DNS rebinding).
    let Some(authority) = authority.filter(is_local) else {
        return Some("ask for the inspector as `localhost` or by its address");
    };
    if let Some(origin) = field(request.headers(), header::ORIGIN.as_str())
        && origin != format!("http://{authority}")
    {
        return Some("only pages of the inspector may ask it");
    }
    match field(request.headers(), "sec-fetch-site") {
        None | Some("same-origin" | "none") => None,
        // Accepted, because the user followed a link from another site to the page.
        Some(_) if is_visit(request) => None,
        Some(_) => Some("only pages of the inspector may ask it"),
    }
}

fn authority(request: &Request<Body>) -> Option<Authority> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return None;
    }
    match (request.uri().authority(), host) {
        (Some(authority), _) => Some(authority.clone()),
        (None, host) => host?.as_bytes().try_into().ok(),
    }
}

fn is_local(authority: &Authority) -> bool {
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

fn is_visit(request: &Request<Body>) -> bool {
    request.method() == Method::GET
        && request.uri().path() == "/"
        && field(request.headers(), "sec-fetch-mode") == Some("navigate")
}

/// Returns the value of a header. Returns an empty string for a value that is not visible ASCII, and the callers reject
/// empty values.
fn field<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(method: &str, path: &str, fields: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        objection(&request.body(Body::empty()).unwrap()).is_some()
    }

    #[test]
    fn this_machine_is_let_in_by_its_own_names_alone() {
        for host in ["localhost:3001", "LOCALHOST", "127.0.0.1:3001", "127.8.8.8", "[::1]:3001"] {
            assert!(!refused("GET", "/", &[("host", host)]), "{host}");
        }
        for host in
            ["evil.test", "evil.test:3001", "localhost.evil.test", "127.0.0.1.evil.test", "192.168.1.2", "0.0.0.0", ""]
        {
            assert!(refused("GET", "/", &[("host", host)]), "{host}");
        }
        assert!(refused("GET", "/", &[]));
        assert!(refused("GET", "/", &[("host", "localhost"), ("host", "evil.test")]));
    }

    #[test]
    fn pages_of_others_are_refused() {
        let host = ("host", "127.0.0.1:3001");
        assert!(!refused("POST", "/requests/1/resend", &[host, ("origin", "http://127.0.0.1:3001")]));
        for origin in ["http://127.0.0.1:3000", "https://127.0.0.1:3001", "http://evil.test", "null", "\u{e9}"] {
            assert!(refused("POST", "/requests/1/resend", &[host, ("origin", origin)]), "{origin}");
        }
        assert!(!refused("GET", "/updates", &[host, ("sec-fetch-site", "same-origin")]));
        for site in ["cross-site", "same-site", "\u{e9}"] {
            assert!(refused("GET", "/updates", &[host, ("sec-fetch-site", site)]), "{site}");
            assert!(refused("GET", "/", &[host, ("sec-fetch-site", site), ("sec-fetch-mode", "no-cors")]), "{site}");
            assert!(!refused("GET", "/", &[host, ("sec-fetch-site", site), ("sec-fetch-mode", "navigate")]), "{site}");
        }
    }
}
