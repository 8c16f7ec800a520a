//! Header names and values from a host, with the same checks as in the `http` crate at a fraction of the cost.

#![allow(unsafe_code, reason = "the check that the `http` crate would make is made here, eight bytes at a time")]

use bytes::Bytes;
use http::header::InvalidHeaderName;
use http::{HeaderName, HeaderValue, header};

/// Makes a header name from bytes. Most names are among the few that `known` recognizes, and these need no parsing.
#[inline]
pub(crate) fn name(name: impl AsRef<[u8]>) -> Result<HeaderName, String> {
    let name = name.as_ref();
    match known(name) {
        Some(known) => Ok(known),
        None => HeaderName::from_bytes(name).map_err(|error| no_name(name, &error)),
    }
}

#[cold]
fn no_name(name: &[u8], error: &InvalidHeaderName) -> String {
    format!("the field name `{}`: {error}", name.escape_ascii())
}

/// Makes a header name at compile time, for names that have no constant in the `http` crate.
macro_rules! own {
    ($name:literal) => {
        const { HeaderName::from_static($name) }
    };
}

/// Returns the header name if it is one of those that clients, servers and proxies send most.
#[inline]
fn known(name: &[u8]) -> Option<HeaderName> {
    const HOST: u64 = short(b"host");
    const DATE: u64 = short(b"date");
    const ETAG: u64 = short(b"etag");
    const VARY: u64 = short(b"vary");
    const RANGE: u64 = short(b"range");
    const ACCEPT: u64 = short(b"accept");
    const COOKIE: u64 = short(b"cookie");
    const ORIGIN: u64 = short(b"origin");
    const SERVER: u64 = short(b"server");
    const REFERER: u64 = short(b"referer");
    const LOCATION: u64 = short(b"location");
    const USER_AGENT: (u64, u64) = long(b"user-agent");
    const CONNECTION: (u64, u64) = long(b"connection");
    const SET_COOKIE: (u64, u64) = long(b"set-cookie");
    const CONTENT_TYPE: (u64, u64) = long(b"content-type");
    const CACHE_CONTROL: (u64, u64) = long(b"cache-control");
    const AUTHORIZATION: (u64, u64) = long(b"authorization");
    const IF_NONE_MATCH: (u64, u64) = long(b"if-none-match");
    const LAST_MODIFIED: (u64, u64) = long(b"last-modified");
    const ACCEPT_RANGES: (u64, u64) = long(b"accept-ranges");
    const CONTENT_LENGTH: (u64, u64) = long(b"content-length");
    const ACCEPT_ENCODING: (u64, u64) = long(b"accept-encoding");
    const ACCEPT_LANGUAGE: (u64, u64) = long(b"accept-language");
    const CONTENT_ENCODING: (u64, u64) = long(b"content-encoding");
    const X_REAL_IP: (u64, u64) = long(b"x-real-ip");
    const X_REQUEST_ID: (u64, u64) = long(b"x-request-id");
    const X_FORWARDED_FOR: (u64, u64) = long(b"x-forwarded-for");
    const X_FORWARDED_HOST: (u64, u64) = long(b"x-forwarded-host");
    Some(match name.len() {
        4 => match short(name) {
            HOST => header::HOST,
            DATE => header::DATE,
            ETAG => header::ETAG,
            VARY => header::VARY,
            _ => return None,
        },
        5 if short(name) == RANGE => header::RANGE,
        6 => match short(name) {
            ACCEPT => header::ACCEPT,
            COOKIE => header::COOKIE,
            ORIGIN => header::ORIGIN,
            SERVER => header::SERVER,
            _ => return None,
        },
        7 if short(name) == REFERER => header::REFERER,
        8 if short(name) == LOCATION => header::LOCATION,
        10 => match long(name) {
            USER_AGENT => header::USER_AGENT,
            CONNECTION => header::CONNECTION,
            SET_COOKIE => header::SET_COOKIE,
            _ => return None,
        },
        9 if long(name) == X_REAL_IP => own!("x-real-ip"),
        12 => match long(name) {
            CONTENT_TYPE => header::CONTENT_TYPE,
            X_REQUEST_ID => own!("x-request-id"),
            _ => return None,
        },
        13 => match long(name) {
            CACHE_CONTROL => header::CACHE_CONTROL,
            AUTHORIZATION => header::AUTHORIZATION,
            IF_NONE_MATCH => header::IF_NONE_MATCH,
            LAST_MODIFIED => header::LAST_MODIFIED,
            ACCEPT_RANGES => header::ACCEPT_RANGES,
            _ => return None,
        },
        14 if long(name) == CONTENT_LENGTH => header::CONTENT_LENGTH,
        15 => match long(name) {
            ACCEPT_ENCODING => header::ACCEPT_ENCODING,
            ACCEPT_LANGUAGE => header::ACCEPT_LANGUAGE,
            X_FORWARDED_FOR => own!("x-forwarded-for"),
            _ => return None,
        },
        16 => match long(name) {
            CONTENT_ENCODING => header::CONTENT_ENCODING,
            X_FORWARDED_HOST => own!("x-forwarded-host"),
            _ => return None,
        },
        _ => return None,
    })
}

// Names are compared as numbers of eight bytes, because on WebAssembly a comparison of byte strings takes about ten
// instructions per byte.

/// Returns the first and the last four bytes of a name as one number. If the name has 4 to 8 bytes, the number
/// contains all of them.
const fn short(name: &[u8]) -> u64 {
    match (name.first_chunk(), name.last_chunk()) {
        (Some(first), Some(last)) => u32::from_le_bytes(*first) as u64 | (u32::from_le_bytes(*last) as u64) << 32,
        _ => 0,
    }
}

/// Returns the first and the last eight bytes of a name as two numbers. If the name has 8 to 16 bytes, the numbers
/// contain all of them.
const fn long(name: &[u8]) -> (u64, u64) {
    match (name.first_chunk(), name.last_chunk()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => (0, 0),
    }
}

/// Makes a header value from owned bytes.
#[inline]
pub(crate) fn value(name: &HeaderName, bytes: impl Into<Bytes>) -> Result<HeaderValue, String> {
    let bytes = bytes.into();
    if !is_value(&bytes) {
        return Err(no_value(name));
    }
    // SAFETY: `is_value` is true for the bytes, as has just been checked.
    Ok(unsafe { value_unchecked(bytes) })
}

/// Makes a header value without a check.
///
/// # Safety
///
/// [`is_value`] must be true for the bytes. It checks the rule of the `http` crate: no control byte except tabs.
#[inline]
pub(crate) unsafe fn value_unchecked(bytes: Bytes) -> HeaderValue {
    // SAFETY: the caller promises that `is_value` is true for the bytes, which is all that the `http` crate requires.
    unsafe { HeaderValue::from_maybe_shared_unchecked(bytes) }
}

#[cold]
fn no_value(name: &HeaderName) -> String {
    format!("the value of the field `{name}` has bytes that are not allowed")
}

/// Whether bytes are a valid header value (RFC 9110, section 5.5): no control character except tabs.
pub(crate) fn is_value(bytes: &[u8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    // The last eight bytes are checked on their own, even if other blocks contain some of them, so that no byte is
    // left over.
    let Some(last) = bytes.last_chunk() else {
        return bytes.iter().all(is_allowed);
    };
    // The first term sets the high bit of a byte below 0x20 or above 0x9f, the second term that of a byte from 0x7f
    // to 0xfe. So each forbidden byte shows, and some allowed bytes do too. Only a byte that shows can carry into its
    // neighbour.
    let suspicious = |found: u64, eight: &[u8; 8]| {
        let word = u64::from_ne_bytes(*eight);
        found | word.wrapping_sub(ONES * 0x20) | word.wrapping_add(ONES)
    };
    let (blocks, rest) = bytes.as_chunks::<32>();
    let found = blocks.iter().fold(0, |found, block| block.as_chunks().0.iter().fold(found, suspicious));
    let found = rest.as_chunks().0.iter().chain([last]).fold(found, suspicious);
    found & HIGH == 0 || bytes.iter().all(is_allowed)
}

fn is_allowed(byte: &u8) -> bool {
    *byte >= 0x20 && *byte != 0x7f || *byte == b'\t'
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 28] = [
        "host",
        "etag",
        "date",
        "vary",
        "range",
        "accept",
        "cookie",
        "origin",
        "server",
        "referer",
        "location",
        "user-agent",
        "connection",
        "set-cookie",
        "content-type",
        "cache-control",
        "authorization",
        "if-none-match",
        "last-modified",
        "accept-ranges",
        "content-length",
        "accept-encoding",
        "accept-language",
        "content-encoding",
        "x-real-ip",
        "x-request-id",
        "x-forwarded-for",
        "x-forwarded-host",
    ];

    #[test]
    fn a_known_name_is_the_name_that_parsing_yields() {
        for text in KNOWN {
            assert_eq!(known(text.as_bytes()), Some(HeaderName::from_static(text)));
        }
    }

    #[test]
    fn a_name_that_is_nearly_known_is_another() {
        for text in KNOWN {
            for place in 0..text.len() {
                let mut near = text.as_bytes().to_vec();
                near[place] ^= 1;
                let near = String::from_utf8(near).unwrap();
                assert_eq!(known(near.as_bytes()), None, "{near}");
            }
            for longer in [format!("{text}x"), format!("x{text}"), format!("{text}{text}"), text[1..].to_owned()] {
                assert_eq!(known(longer.as_bytes()), None, "{longer}");
            }
            for middle in 1..text.len() {
                let longer = format!("{}-{}", &text[..middle], &text[middle..]);
                assert_eq!(known(longer.as_bytes()), None, "{longer}");
                let stuttered = format!("{}{}", &text[..middle], &text[middle - 1..]);
                assert!(known(stuttered.as_bytes()).is_none_or(|name| name == *stuttered), "{stuttered}");
            }
        }
    }

    #[test]
    fn any_other_name_is_parsed() {
        assert_eq!(name("x-Own").unwrap(), "x-own");
        assert!(name("no name").is_err());
        assert!(name("").is_err());
    }

    #[test]
    fn the_check_of_a_value_agrees_with_the_http_crate_on_every_byte_at_every_place() {
        for byte in 0..=u8::MAX {
            for neighbour in [b'a', 0x20, 0x80, 0xff, b'\t'] {
                for length in [1, 7, 8, 9, 16, 17, 31, 32, 33, 41, 64] {
                    for place in 0..length {
                        let mut bytes = vec![neighbour; length];
                        bytes[place] = byte;
                        let expected = HeaderValue::from_bytes(&bytes);
                        let found = value(&header::ACCEPT, bytes.clone());
                        assert_eq!(found.ok(), expected.ok(), "{bytes:?}");
                    }
                }
            }
        }
    }
}
