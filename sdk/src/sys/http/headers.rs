//! Writes the headers of a message to the host.

use http::{HeaderMap, header};

use super::framing::{self, Header};
use crate::sys::MoreHeaders;

/// The most bytes of headers that wasmtime accepts in a message, as wasmtime counts them. With more bytes, the
/// instance traps.
const LIMIT_BYTES: usize = 128 * 1024;
/// wasmtime's overhead for each name and value: the size of the structs that hold them.
const NAME_OVERHEAD_BYTES: usize = 32;
const VALUE_OVERHEAD_BYTES: usize = 40;
/// The bytes that are reserved for a `content-length`, which is added after all other headers. Its value has at most
/// 20 digits.
const LENGTH_BYTES: usize = "content-length".len() + NAME_OVERHEAD_BYTES + 20 + VALUE_OVERHEAD_BYTES;

/// The headers of a message in the host.
pub(crate) trait HostHeaders {
    /// Adds a header.
    fn append(&self, name: &str, value: &[u8]) -> Result<(), Refused>;
    /// Removes all headers of a name.
    fn delete(&self, name: &str) -> Result<(), Refused>;
}

/// The reason why the host refuses a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Only the host sets this header.
    Forbidden,
    /// Another reason.
    Because(&'static str),
}

impl Refused {
    fn reason(self) -> &'static str {
        match self {
            Self::Forbidden => "it may not be set",
            Self::Because(reason) => reason,
        }
    }
}

/// Writes the headers of a message. Returns the length that they declare.
///
/// Removes hop-by-hop headers (RFC 9110, section 7.6.1), which hosts refuse, and `host`, which hosts derive from the
/// authority.
pub(crate) fn append_all(fields: &impl HostHeaders, headers: &HeaderMap) -> Result<Option<u64>, String> {
    let mut size = 0;
    let mut declared = None;
    let mut names_others = false;
    for (name, value) in headers {
        let text = name.as_str();
        if is_hop_by_hop(text) {
            names_others |= *name == header::CONNECTION;
            continue;
        }
        if *name == header::CONTENT_LENGTH {
            let is_first = framing::note(&mut declared, value.as_bytes());
            if !is_first.map_err(|invalid| invalid.reason(value.as_bytes()))? {
                continue;
            }
            // Hosts accept neither a second `content-length` nor a list of numbers in one.
            if framing::number(value.as_bytes()).is_none() {
                append_length(fields, declared.unwrap_or_default())?;
                continue;
            }
        }
        size += text.len() + NAME_OVERHEAD_BYTES + value.len() + VALUE_OVERHEAD_BYTES;
        if size > LIMIT_BYTES - LENGTH_BYTES {
            return Err(too_large(text));
        }
        append(fields, text, value.as_bytes())?;
    }
    if names_others {
        delete_named_by_connection(fields, headers);
    }
    Ok(declared)
}

#[cold]
fn too_large(name: &str) -> String {
    format!("the fields are too large: `{name}` takes them beyond the {LIMIT_BYTES} bytes that hosts accept")
}

/// Writes a header, unless only the host may set it.
pub(crate) fn append(fields: &impl HostHeaders, name: &str, value: &[u8]) -> Result<(), String> {
    match fields.append(name, value) {
        Ok(()) | Err(Refused::Forbidden) => Ok(()),
        Err(refused) => Err(format!("the host refused the field `{name}`: {}", refused.reason())),
    }
}

/// Writes the media type of a body, if it has one.
pub(crate) fn append_content_type(fields: &impl HostHeaders, content_type: Option<&str>) -> Result<(), String> {
    content_type.map_or(Ok(()), |value| append(fields, header::CONTENT_TYPE.as_str(), value.as_bytes()))
}

/// Writes headers, except those that only the host may set.
pub(crate) fn append_more(fields: &impl HostHeaders, headers: &dyn MoreHeaders) -> Result<(), String> {
    headers.each(&mut |name, value| if is_hop_by_hop(name) { Ok(()) } else { append(fields, name, value) })
}

fn is_hop_by_hop(name: &str) -> bool {
    match name.len() {
        4 => name == "host",
        7 => name == "upgrade",
        10 => name == "connection" || name == "keep-alive",
        14 => name == "http2-settings",
        16 => name == "proxy-connection",
        17 => name == "transfer-encoding",
        18 => name == "proxy-authenticate",
        19 => name == "proxy-authorization",
        _ => false,
    }
}

#[cold]
fn delete_named_by_connection(fields: &impl HostHeaders, headers: &HeaderMap) {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    for option in values.flat_map(|value| value.split(',')) {
        // Errors are ignored: the host refuses only invalid and forbidden names, and no header with such a name was
        // added.
        let _ = fields.delete(option.trim());
    }
}

fn append_length(fields: &impl HostHeaders, length: u64) -> Result<(), String> {
    // Formats the number by hand, because the standard library's formatting costs more than the rest of a response. A
    // `u64` has at most 20 digits.
    let mut digits = [0; 20];
    let mut rest = length;
    let mut count = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        count += 1;
        if rest == 0 {
            break;
        }
    }
    let (_, digits) = digits.split_at(digits.len() - count);
    append(fields, "content-length", digits)
}

/// Changes the `content-length` of a message.
pub(crate) fn set_length(fields: &impl HostHeaders, header: Header) -> Result<(), String> {
    match header {
        Header::Keep => Ok(()),
        Header::Add(length) => append_length(fields, length),
        Header::Remove => delete_length(fields),
        Header::Clear => {
            delete_length(fields)?;
            append_length(fields, 0)
        }
    }
}

fn delete_length(fields: &impl HostHeaders) -> Result<(), String> {
    fields
        .delete(header::CONTENT_LENGTH.as_str())
        .map_err(|refused| format!("the host refused to remove content-length: {}", refused.reason()))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use http::{HeaderName, HeaderValue};

    use super::*;

    /// A host that stores headers, refuses `x-bad` and sets `x-own` itself.
    #[derive(Default)]
    struct Fake(RefCell<Vec<(String, String)>>);

    impl HostHeaders for Fake {
        fn append(&self, name: &str, value: &[u8]) -> Result<(), Refused> {
            match name {
                "x-bad" => Err(Refused::Because("it is bad")),
                "x-own" => Err(Refused::Forbidden),
                _ => {
                    self.0.borrow_mut().push((name.to_owned(), String::from_utf8_lossy(value).into_owned()));
                    Ok(())
                }
            }
        }

        fn delete(&self, name: &str) -> Result<(), Refused> {
            if name == "x-bad" {
                return Err(Refused::Because("it is bad"));
            }
            self.0.borrow_mut().retain(|(other, _)| !other.eq_ignore_ascii_case(name));
            Ok(())
        }
    }

    fn map(lines: &[(&str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&str, &str)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
        };
        lines.iter().map(line).fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        })
    }

    /// The headers in the host, and the length that they declare.
    type Sent = (Vec<(String, String)>, Option<u64>);

    fn sent(lines: &[(&str, &str)]) -> Result<Sent, String> {
        let fake = Fake::default();
        let declared = append_all(&fake, &map(lines))?;
        Ok((fake.0.into_inner(), declared))
    }

    fn names(lines: &[(&str, &str)]) -> Vec<String> {
        sent(lines).unwrap().0.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn headers_keep_their_order_and_repetitions() {
        let lines = [("x-b", "1"), ("x-a", "2"), ("x-a", "3")];
        let (sent, declared) = sent(&lines).unwrap();
        let expected = lines.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!((sent.as_slice(), declared), (expected.as_slice(), None));
    }

    #[test]
    fn hop_by_hop_headers_are_left_out() {
        for name in [
            "host",
            "upgrade",
            "connection",
            "keep-alive",
            "http2-settings",
            "proxy-connection",
            "transfer-encoding",
            "proxy-authenticate",
            "proxy-authorization",
        ] {
            assert_eq!(names(&[(name, "x-y"), ("x-a", "1")]), ["x-a"], "{name}");
        }
    }

    #[test]
    fn te_and_trailer_are_kept() {
        assert_eq!(names(&[("te", "trailers"), ("trailer", "x-sum")]), ["te", "trailer"]);
    }

    #[test]
    fn headers_named_by_connection_are_left_out_in_any_case() {
        let lines = [("connection", "X-A, close"), ("x-a", "1"), ("x-b", "2"), ("connection", "x-c"), ("x-c", "3")];
        assert_eq!(names(&lines), ["x-b"]);
    }

    #[test]
    fn a_header_that_the_host_sets_itself_is_left_out() {
        assert_eq!(names(&[("x-own", "1"), ("x-a", "2")]), ["x-a"]);
    }

    #[test]
    fn a_header_that_the_host_refuses_is_an_error_with_its_name() {
        assert_eq!(sent(&[("x-bad", "1")]).unwrap_err(), "the host refused the field `x-bad`: it is bad");
    }

    #[test]
    fn a_content_length_is_sent_and_declared() {
        let (sent, declared) = sent(&[("content-length", "5")]).unwrap();
        assert_eq!((sent, declared), (vec![("content-length".to_owned(), "5".to_owned())], Some(5)));
    }

    #[test]
    fn equal_content_lengths_are_sent_once() {
        for lines in [&[("content-length", "5"), ("content-length", "5")][..], &[("content-length", "5, 5")]] {
            let (sent, declared) = sent(lines).unwrap();
            assert_eq!((sent, declared), (vec![("content-length".to_owned(), "5".to_owned())], Some(5)));
        }
    }

    #[test]
    fn contradictory_content_lengths_are_an_error_with_the_value() {
        for lines in [&[("content-length", "5"), ("content-length", "6")][..], &[("content-length", "5, 6")]] {
            let error = sent(lines).unwrap_err();
            assert!(error.starts_with("content-length `"), "{error}");
        }
    }

    #[test]
    fn a_content_length_that_is_not_a_number_is_an_error() {
        for value in ["", "+5", "-1", "5x", "0x5", "five"] {
            let error = sent(&[("content-length", value)]).unwrap_err();
            assert!(error.contains("is not a number of bytes"), "{value}: {error}");
        }
    }

    #[test]
    fn headers_up_to_the_limit_of_hosts_are_sent() {
        let room = LIMIT_BYTES - LENGTH_BYTES - "x-a".len() - NAME_OVERHEAD_BYTES - VALUE_OVERHEAD_BYTES;
        assert_eq!(names(&[("x-a", &"v".repeat(room))]), ["x-a"]);
        let error = sent(&[("x-a", &"v".repeat(room + 1))]).unwrap_err();
        assert!(error.contains("`x-a`") && error.contains("131072 bytes"), "{error}");
    }

    #[test]
    fn many_small_headers_count_with_their_overhead() {
        let lines: Vec<(String, String)> = (0..2000).map(|number| (format!("x-{number}"), "v".to_owned())).collect();
        let lines: Vec<(&str, &str)> = lines.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert!(sent(&lines).unwrap_err().contains("too large"));
        assert_eq!(names(&lines[..1000]).len(), 1000);
    }

    #[test]
    fn a_length_is_added_in_digits() {
        for (length, digits) in [(0, "0"), (7, "7"), (10, "10"), (u64::MAX, "18446744073709551615")] {
            let fake = Fake::default();
            set_length(&fake, Header::Add(length)).unwrap();
            assert_eq!(fake.0.into_inner(), [("content-length".to_owned(), digits.to_owned())]);
        }
    }

    #[test]
    fn a_length_is_kept_removed_or_replaced_by_zero() {
        for (header, expected) in [(Header::Keep, Some("5")), (Header::Remove, None), (Header::Clear, Some("0"))] {
            let fake = Fake::default();
            append_all(&fake, &map(&[("content-length", "5")])).unwrap();
            set_length(&fake, header).unwrap();
            let lengths = fake.0.into_inner();
            assert_eq!(lengths.first().map(|(_, value)| value.as_str()), expected, "{header:?}");
        }
    }
}
