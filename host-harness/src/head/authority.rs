//! Hosts with ports, in `Host` and in request targets (RFC 9110, section 7.2).

use std::net::Ipv6Addr;

use http::uri::Authority;

/// Parses a host with an optional port. Returns the reason if it is invalid.
///
/// Stricter than [`Authority`]: no userinfo (RFC 9110, section 4.2.4), ports from 0 to 65535, valid IP literals. Drops
/// an empty port (RFC 3986, section 6.2.3).
pub(super) fn parse(text: &[u8]) -> Result<Authority, &'static str> {
    check(text)?;
    let text = text.strip_suffix(b":").unwrap_or(text);
    // [`Authority`] accepts everything that `check` accepts, except percent-encoded names.
    Authority::try_from(text).map_err(|_| NOT_A_HOST)
}

/// Checks that a text is a host with an optional port. Returns the reason if it is not.
pub(super) fn check(text: &[u8]) -> Result<(), &'static str> {
    if text.contains(&b'@') {
        return Err("user information is not allowed in it");
    }
    let (host, port) = split(text)?;
    check_host(host)?;
    port.map_or(Ok(()), check_port)
}

/// Whether two authorities name the same server for `http` (RFC 3986, section 6.2).
pub(super) fn is_same(one: &Authority, other: &Authority) -> bool {
    let port = |authority: &Authority| authority.port_u16().unwrap_or(80);
    one.host().eq_ignore_ascii_case(other.host()) && port(one) == port(other)
}

const NOT_A_HOST: &str = "it is not the name or the address of a host";

/// Splits a host from the port after its colon.
fn split(text: &[u8]) -> Result<(&[u8], Option<&[u8]>), &'static str> {
    let end = if text.starts_with(b"[") {
        // RFC 3986, section 3.2.2: colons within the brackets belong to the address.
        1 + text.iter().position(|byte| *byte == b']').ok_or("the bracket of its address is not closed")?
    } else {
        text.iter().position(|byte| *byte == b':').unwrap_or(text.len())
    };
    match &text[end..] {
        [] => Ok((&text[..end], None)),
        [b':', port @ ..] => Ok((&text[..end], Some(port))),
        _ => Err(NOT_A_HOST),
    }
}

fn check_host(host: &[u8]) -> Result<(), &'static str> {
    if let [b'[', literal @ .., b']'] = host {
        return if is_ip_literal(literal) { Ok(()) } else { Err("the address in its brackets is not valid") };
    }
    let is_name_char = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(byte);
    match host {
        [] => Err("its host is empty"),
        host if host.iter().all(is_name_char) => Ok(()),
        _ => Err(NOT_A_HOST),
    }
}

/// Whether a text is an IPv6 address, or an address of a future IP version such as `v1.x`.
fn is_ip_literal(literal: &[u8]) -> bool {
    let Ok(literal) = std::str::from_utf8(literal) else { return false };
    if let Some(future) = literal.strip_prefix(['v', 'V']) {
        let is_address_char = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:".contains(&byte);
        return future.split_once('.').is_some_and(|(version, address)| {
            let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_version && !address.is_empty() && address.bytes().all(is_address_char)
        });
    }
    literal.parse::<Ipv6Addr>().is_ok()
}

fn check_port(port: &[u8]) -> Result<(), &'static str> {
    if port.is_empty() {
        return Ok(());
    }
    let digits = std::str::from_utf8(port).ok().filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.ok_or("its port is not a number")?.parse::<u16>();
    number.map(drop).map_err(|_| "its port is above 65535")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_addresses_with_ports() {
        for text in
            ["a", "a.test", "A_b.test.", "a.test:0", "a.test:65535", "a.test:00080", "1.2.3.4:80", "[::1]", "[::1]:80"]
        {
            assert_eq!(parse(text.as_bytes()).unwrap(), text);
        }
        for text in ["[::ffff:1.2.3.4]", "[v1.a:b]", "a*b", "a,b"] {
            assert_eq!(parse(text.as_bytes()).unwrap(), text);
        }
    }

    #[test]
    fn anything_else_is_told_why() {
        for (text, why) in [
            ("", "its host is empty"),
            (":80", "its host is empty"),
            ("a@b", "user information is not allowed in it"),
            ("a@", "user information is not allowed in it"),
            ("a::", "its port is not a number"),
            ("a:+1", "its port is not a number"),
            ("a:1:2", "its port is not a number"),
            ("a:\u{661}", "its port is not a number"),
            ("a:65536", "its port is above 65535"),
            ("a:99999999999999999999", "its port is above 65535"),
            ("[::1", "the bracket of its address is not closed"),
            ("[]", "the address in its brackets is not valid"),
            ("[::g]", "the address in its brackets is not valid"),
            ("[fe80::1%25eth0]", "the address in its brackets is not valid"),
            ("[v.a]", "the address in its brackets is not valid"),
            ("[::1]x", NOT_A_HOST),
            ("x[::1]", NOT_A_HOST),
            ("a b", NOT_A_HOST),
            ("a/b", NOT_A_HOST),
            ("a%41", NOT_A_HOST),
            ("caf\u{e9}", NOT_A_HOST),
        ] {
            assert_eq!(parse(text.as_bytes()), Err(why), "`{text}`");
        }
    }

    #[test]
    fn an_empty_port_is_dropped() {
        for (text, expected) in [("a.test:", "a.test"), ("[::1]:", "[::1]")] {
            assert_eq!(parse(text.as_bytes()).unwrap(), expected);
        }
    }

    #[test]
    fn the_default_port_and_the_case_make_no_difference() {
        let is_same = |one: &str, other: &str| is_same(&one.parse().unwrap(), &other.parse().unwrap());
        assert!(is_same("a.test", "A.TEST:80") && is_same("[::1]:80", "[::1]") && is_same("a:1", "a:1"));
        assert!(!is_same("a.test", "b.test") && !is_same("a.test", "a.test:81") && !is_same("a", "a."));
    }
}
