//! The host and the port in a URL.

use http::uri::Authority;

/// Parses the authority of a URL. Removes user information and an empty port.
pub(super) fn parse(text: &[u8]) -> Result<Authority, String> {
    let text = String::from_utf8_lossy(text);
    let host_and_port = without_empty_port_and_user(&text);
    if !host_and_port.is_ascii() {
        let host = split_port(host_and_port).0;
        return Err(format!("the host `{host}` is not ASCII; write it in punycode, as `xn--bcher-kva.example`"));
    }
    check_host_and_port(host_and_port)?;
    Authority::try_from(host_and_port).map_err(|_| invalid_host(host_and_port))
}

/// Checks the host and the port of an authority. If the authority contains user information or an empty port, returns
/// an authority without them.
pub(super) fn check(authority: &Authority) -> Result<Option<Authority>, String> {
    if is_plain(authority.as_str().as_bytes()) { Ok(None) } else { check_other(authority) }
}

/// Whether an authority is a name or an IPv4 address, with or without a port. Most authorities pass this quick check.
fn is_plain(text: &[u8]) -> bool {
    let is_in_host_name =
        |byte: &u8| HOST_NAME_BYTES.get(usize::from(*byte)).is_some_and(|is_in_host_name| *is_in_host_name);
    match text.iter().position(|byte| !is_in_host_name(byte)) {
        None => !text.is_empty(),
        Some(end) => end > 0 && matches!(text.split_at(end).1, [b':', port @ ..] if is_port(port)),
    }
}

/// For each byte, whether `is_plain` allows it in a host name: letters, digits, hyphens, dots and underscores.
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time, so an invalid index is a compile error")]
static HOST_NAME_BYTES: [bool; 256] = {
    let mut of_name = [false; 256];
    let mut byte = b'-';
    while byte <= b'z' {
        of_name[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        byte += 1;
    }
    of_name
};

fn is_port(digits: &[u8]) -> bool {
    let number = digits.iter().try_fold(0u32, |number, digit| match digit {
        b'0'..=b'9' if number <= u16::MAX.into() => Some(number * 10 + u32::from(digit - b'0')),
        _ => None,
    });
    !digits.is_empty() && number.is_some_and(|number| number <= u16::MAX.into())
}

#[cold]
fn check_other(authority: &Authority) -> Result<Option<Authority>, String> {
    let host_and_port = without_empty_port_and_user(authority.as_str());
    check_host_and_port(host_and_port)?;
    if host_and_port.len() == authority.as_str().len() {
        return Ok(None);
    }
    Authority::try_from(host_and_port).map(Some).map_err(|_| invalid_host(host_and_port))
}

/// Removes user information, and the colon before an empty port (RFC 3986, section 6.2.3).
fn without_empty_port_and_user(authority: &str) -> &str {
    let host_and_port = without_user(authority);
    host_and_port.strip_suffix(':').unwrap_or(host_and_port)
}

pub(super) fn without_user(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, host_and_port)| host_and_port)
}

/// Splits off the port. Colons within brackets belong to an IPv6 address.
fn split_port(host_and_port: &str) -> (&str, Option<&str>) {
    match host_and_port.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (host_and_port, None),
    }
}

fn check_host_and_port(host_and_port: &str) -> Result<(), String> {
    let (host, port) = split_port(host_and_port);
    if let Some(port) = port
        && !is_port(port.as_bytes())
    {
        return Err(format!("the port `{port}` of `{host_and_port}` is not a number from 0 to 65535"));
    }
    match host.as_bytes() {
        [] => Err("the URL has no host".to_owned()),
        [b'[', address @ .., b']'] if is_ipv6(address) => Ok(()),
        host_bytes if host_bytes.iter().any(|byte| b"[]".contains(byte)) => Err(invalid_host(host)),
        _ => Ok(()),
    }
}

/// Whether a text is an IPv6 address (RFC 4291, section 2.2). The parser of the standard library is not used, because
/// it would take up a sixth of a small proxy component.
fn is_ipv6(text: &[u8]) -> bool {
    match text.windows(2).position(|two| two == b"::") {
        None => groups(text) == Some(8),
        Some(gap) => {
            let (before, after) = text.split_at(gap);
            let after = after.get(2..).unwrap_or_default();
            let count = |part: &[u8]| if part.is_empty() { Some(0) } else { groups(part) };
            matches!((count(before), count(after)), (Some(before), Some(after)) if before + after < 8)
        }
    }
}

/// Returns the number of 16-bit groups in a part of an IPv6 address, or `None` if one is invalid. An IPv4 address at
/// the end counts as two groups.
fn groups(text: &[u8]) -> Option<usize> {
    let mut parts = text.split(|byte| *byte == b':').peekable();
    let mut count = 0;
    while let Some(part) = parts.next() {
        let is_group = (1..=4).contains(&part.len()) && part.iter().all(u8::is_ascii_hexdigit);
        count += match is_group {
            true => 1,
            false if parts.peek().is_none() && is_ipv4(part) => 2,
            false => return None,
        };
    }
    Some(count)
}

fn is_ipv4(text: &[u8]) -> bool {
    let is_part = |part: &[u8]| match part {
        [b'0', _, ..] => false,
        [_, _, _] => is_port(part) && *part <= *b"255".as_slice(),
        part => part.len() < 3 && is_port(part),
    };
    text.split(|byte| *byte == b'.').count() == 4 && text.split(|byte| *byte == b'.').all(is_part)
}

#[cold]
fn invalid_host(host: &str) -> String {
    format!("the host `{host}` is not valid")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    #[test]
    fn an_ipv6_address_is_what_the_standard_library_takes_for_one() {
        for text in [
            "::",
            "::1",
            "1::",
            "1::2",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:8:9",
            "1:2:3:4:5:6:7::",
            "1:2:3:4::5:6:7:8",
            "::ffff:1.2.3.4",
            "1:2:3:4:5:6:1.2.3.4",
            "::1.2.3",
            "::1.2.3.256",
            "::256.2.3.4",
            "::1.2.3.4:5",
            "1.2.3.4",
            "",
            ":",
            ":::",
            "1:::2",
            "1::2::3",
            "::g",
            "12345::",
            "fe80::1%25eth0",
            "::1.2.3.99",
            "::1.2.3.",
            "::1.2.3.04",
            "::1.2.3.0",
            "::1.2.3.1000",
            "::1.2.3.255",
        ] {
            assert_eq!(is_ipv6(text.as_bytes()), text.parse::<Ipv6Addr>().is_ok(), "{text}");
        }
    }

    #[test]
    fn a_port_has_16_bits() {
        for (text, expected) in
            [("0", true), ("80", true), ("65535", true), ("00080", true), ("65536", false), ("99999999999", false)]
        {
            assert_eq!(is_port(text.as_bytes()), expected, "{text}");
        }
        for text in ["", "+80", "x", "8x", "\u{663}"] {
            assert!(!is_port(text.as_bytes()), "{text}");
        }
    }
}
