//! Hosts with ports, as URLs name them.

use std::net::Ipv6Addr;

use http::uri::Authority;

/// Parses what stands between the slashes and the path; user, password and an empty port are left out.
pub(super) fn parse(text: &[u8]) -> Result<Authority, String> {
    let text = String::from_utf8_lossy(text);
    let host_and_port = as_sent(&text);
    if !host_and_port.is_ascii() {
        let host = split_port(host_and_port).0;
        return Err(format!("the host `{host}` is not ASCII; write it in punycode, as `xn--bcher-kva.example`"));
    }
    check_host_and_port(host_and_port)?;
    Authority::try_from(host_and_port).map_err(|_| invalid_host(host_and_port))
}

/// Checks the host and the port of an authority.
pub(super) fn check(authority: &Authority) -> Result<(), String> {
    check_host_and_port(as_sent(authority.as_str()))
}

/// Takes out what no server is sent; `None` if nothing has to go.
pub(super) fn cleaned(authority: &Authority) -> Result<Option<Authority>, String> {
    let host_and_port = as_sent(authority.as_str());
    if host_and_port.len() == authority.as_str().len() {
        return Ok(None);
    }
    Authority::try_from(host_and_port).map(Some).map_err(|_| invalid_host(host_and_port))
}

/// Leaves out user and password, and the colon before an empty port (RFC 3986, section 6.2.3).
fn as_sent(authority: &str) -> &str {
    let host_and_port = without_user(authority);
    host_and_port.strip_suffix(':').unwrap_or(host_and_port)
}

pub(super) fn without_user(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, host_and_port)| host_and_port)
}

/// Splits at the colon of the port; those of an IPv6 address stand in brackets.
fn split_port(host_and_port: &str) -> (&str, Option<&str>) {
    match host_and_port.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (host_and_port, None),
    }
}

fn check_host_and_port(host_and_port: &str) -> Result<(), String> {
    let (host, port) = split_port(host_and_port);
    if let Some(port) = port
        && (port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) || port.parse::<u16>().is_err())
    {
        return Err(format!("the port `{port}` of `{host_and_port}` is not a number from 0 to 65535"));
    }
    if host.is_empty() {
        return Err("the URL has no host".to_owned());
    }
    if host.contains(['[', ']']) {
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if address.is_none_or(|address| address.parse::<Ipv6Addr>().is_err()) {
            return Err(invalid_host(host));
        }
    }
    Ok(())
}

#[cold]
fn invalid_host(host: &str) -> String {
    format!("the host `{host}` is not valid")
}
