//! Fields as they come from a host: the same checks as the `http` crate makes, at a fraction of the cost.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};

/// Makes a field name; most are among the few that every client sends, and those need no parsing.
pub(crate) fn name(name: String) -> Result<HeaderName, String> {
    if let Some(known) = known(&name) {
        return Ok(known);
    }
    HeaderName::from_bytes(name.as_bytes()).map_err(|error| format!("the field name `{name}`: {error}"))
}

/// The names that clients and servers send most.
fn known(name: &str) -> Option<HeaderName> {
    const HOST: Ends = ends(b"host");
    const ETAG: Ends = ends(b"etag");
    const DATE: Ends = ends(b"date");
    const ACCEPT: Ends = ends(b"accept");
    const COOKIE: Ends = ends(b"cookie");
    const ORIGIN: Ends = ends(b"origin");
    const SERVER: Ends = ends(b"server");
    const REFERER: Ends = ends(b"referer");
    const LOCATION: Ends = ends(b"location");
    const USER_AGENT: Ends = ends(b"user-agent");
    const CONNECTION: Ends = ends(b"connection");
    const SET_COOKIE: Ends = ends(b"set-cookie");
    const CONTENT_TYPE: Ends = ends(b"content-type");
    const CACHE_CONTROL: Ends = ends(b"cache-control");
    const AUTHORIZATION: Ends = ends(b"authorization");
    const LAST_MODIFIED: Ends = ends(b"last-modified");
    const ACCEPT_RANGES: Ends = ends(b"accept-ranges");
    const CONTENT_LENGTH: Ends = ends(b"content-length");
    const ACCEPT_ENCODING: Ends = ends(b"accept-encoding");
    const ACCEPT_LANGUAGE: Ends = ends(b"accept-language");
    const CONTENT_ENCODING: Ends = ends(b"content-encoding");
    if !matches!(name.len(), 4..=16) {
        return None;
    }
    Some(match ends(name.as_bytes()) {
        HOST => header::HOST,
        ETAG => header::ETAG,
        DATE => header::DATE,
        ACCEPT => header::ACCEPT,
        COOKIE => header::COOKIE,
        ORIGIN => header::ORIGIN,
        SERVER => header::SERVER,
        REFERER => header::REFERER,
        LOCATION => header::LOCATION,
        USER_AGENT => header::USER_AGENT,
        CONNECTION => header::CONNECTION,
        SET_COOKIE => header::SET_COOKIE,
        CONTENT_TYPE => header::CONTENT_TYPE,
        CACHE_CONTROL => header::CACHE_CONTROL,
        AUTHORIZATION => header::AUTHORIZATION,
        LAST_MODIFIED => header::LAST_MODIFIED,
        ACCEPT_RANGES => header::ACCEPT_RANGES,
        CONTENT_LENGTH => header::CONTENT_LENGTH,
        ACCEPT_ENCODING => header::ACCEPT_ENCODING,
        ACCEPT_LANGUAGE => header::ACCEPT_LANGUAGE,
        CONTENT_ENCODING => header::CONTENT_ENCODING,
        _ => return None,
    })
}

/// The length of a name of 4 to 16 bytes, and its first and its last bytes, which together are all of it.
type Ends = (usize, u64, u64);

/// Comparing texts takes some ten instructions a byte on WebAssembly, comparing numbers one.
const fn ends(name: &[u8]) -> Ends {
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        return (name.len(), u64::from_le_bytes(*first), u64::from_le_bytes(*last));
    }
    match (name.first_chunk(), name.last_chunk()) {
        (Some(first), Some(last)) => (name.len(), u32::from_le_bytes(*first) as u64, u32::from_le_bytes(*last) as u64),
        _ => (name.len(), 0, 0),
    }
}

/// Makes a field value of bytes that are taken over.
#[allow(unsafe_code, reason = "the check that the `http` crate would make is made here, eight bytes at a time")]
pub(crate) fn value(name: &HeaderName, bytes: Vec<u8>) -> Result<HeaderValue, String> {
    if !is_value(&bytes) {
        return Err(format!("the value of the field `{name}` has bytes that are not allowed"));
    }
    // SAFETY: `is_value` holds, which is what the `http` crate asks of a value: no control byte except a tab.
    Ok(unsafe { HeaderValue::from_maybe_shared_unchecked(Bytes::from(bytes)) })
}

/// Whether bytes can stand in a field value (RFC 9110, section 5.5): no control character but the tab.
fn is_value(bytes: &[u8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    // The last eight overlap those before, so that nothing is left over.
    let Some(last) = bytes.last_chunk() else {
        return bytes.iter().all(is_allowed);
    };
    let suspicious = bytes.as_chunks::<8>().0.iter().chain([last]).any(|eight| {
        let word = u64::from_ne_bytes(*eight);
        // A byte below 0x20 borrows from the high bit in the first term, the byte 0x7f in the second; a borrow into the
        // next byte can only make a byte suspicious that is none, never the other way round.
        let below = word.wrapping_sub(ONES * 0x20) & !word;
        let delete = (word ^ (ONES * 0x7f)).wrapping_sub(ONES) & !(word ^ (ONES * 0x7f));
        (below | delete) & HIGH != 0
    });
    !suspicious || bytes.iter().all(is_allowed)
}

fn is_allowed(byte: &u8) -> bool {
    *byte >= 0x20 && *byte != 0x7f || *byte == b'\t'
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 21] = [
        "host",
        "etag",
        "date",
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
        "last-modified",
        "accept-ranges",
        "content-length",
        "accept-encoding",
        "accept-language",
        "content-encoding",
    ];

    #[test]
    fn a_known_name_is_the_name_that_parsing_yields() {
        for text in KNOWN {
            assert_eq!(known(text), Some(HeaderName::from_static(text)));
        }
    }

    #[test]
    fn a_name_that_is_nearly_known_is_another() {
        for text in KNOWN {
            for place in 0..text.len() {
                let mut near = text.as_bytes().to_vec();
                near[place] ^= 1;
                let near = String::from_utf8(near).unwrap();
                assert_eq!(known(&near), None, "{near}");
            }
            for longer in [format!("{text}x"), format!("x{text}"), format!("{text}{text}"), text[1..].to_owned()] {
                assert_eq!(known(&longer), None, "{longer}");
            }
            for middle in 1..text.len() {
                let longer = format!("{}-{}", &text[..middle], &text[middle..]);
                assert_eq!(known(&longer), None, "{longer}");
                let stuttered = format!("{}{}", &text[..middle], &text[middle - 1..]);
                assert!(known(&stuttered).is_none_or(|name| name == *stuttered), "{stuttered}");
            }
        }
    }

    #[test]
    fn any_other_name_is_parsed() {
        assert_eq!(name("x-Own".to_owned()).unwrap(), "x-own");
        assert!(name("no name".to_owned()).is_err());
        assert!(name(String::new()).is_err());
    }

    #[test]
    fn the_check_of_a_value_agrees_with_the_http_crate_on_every_byte_at_every_place() {
        for byte in 0..=u8::MAX {
            for neighbour in [b'a', 0x20, 0x80, 0xff, b'\t'] {
                for length in [1, 7, 8, 9, 16, 17] {
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
