//! The framing of messages (RFC 9110, sections 6.4 and 8.6).

use http::{HeaderMap, Method, StatusCode, header};

/// Parses a number of bytes: digits and nothing else.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0, |number: u64, digit| {
        let digit = digit.wrapping_sub(b'0');
        // From `u64::MAX / 10` on, another digit may overflow.
        (digit < 10 && number < u64::MAX / 10).then(|| number * 10 + u64::from(digit))
    })
}

/// Parses the value of a `content-length`: a number, or a list of equal numbers.
pub(crate) fn declared(value: &[u8]) -> Option<u64> {
    number(value).or_else(|| of_list(value))
}

#[cold]
fn of_list(value: &[u8]) -> Option<u64> {
    let mut numbers = value.split(|byte| *byte == b',').map(|text| number(text.trim_ascii()));
    let first = numbers.next()??;
    numbers.all(|number| number == Some(first)).then_some(first)
}

/// Stores the value of a `content-length` header in `length`. Returns whether it is the first such value of the
/// message. Fails if it is not a number of bytes, or contradicts an earlier value.
pub(crate) fn note(length: &mut Option<u64>, value: &[u8]) -> Result<bool, InvalidLength> {
    let declared = declared(value).ok_or(InvalidLength)?;
    match length.replace(declared) {
        None => Ok(true),
        Some(before) if before == declared => Ok(false),
        Some(_) => Err(InvalidLength),
    }
}

/// The value of a `content-length` is not a number of bytes, or contradicts an earlier value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidLength;

impl InvalidLength {
    /// Returns a message that contains the value and the reason why it is not valid.
    #[cold]
    pub(crate) fn reason(self, value: &[u8]) -> String {
        let why = if declared(value).is_some() { "contradicts the one before" } else { "is not a number of bytes" };
        format!("content-length `{}` {why}", value.escape_ascii())
    }
}

/// Parses the `content-length` of a message, and reduces repeated headers to one.
#[allow(dead_code, reason = "the worlds that have a host read it with the other headers")]
pub(crate) fn of_headers(headers: &mut HeaderMap) -> Result<Option<u64>, String> {
    let mut length = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        note(&mut length, value.as_bytes()).map_err(|invalid| invalid.reason(value.as_bytes()))?;
    }
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    Ok(length)
}

/// Checks that a status is valid and final, that is, from 200 to 599 (RFC 9110, section 15).
fn check_status(status: StatusCode) -> Result<(), String> {
    if (200..600).contains(&status.as_u16()) { Ok(()) } else { Err(refused(status)) }
}

#[cold]
fn refused(status: StatusCode) -> String {
    let status_code = status.as_str();
    if status.is_informational() {
        format!("the handler answered with the interim status {status_code}, which is no answer")
    } else {
        format!("the status {status_code} is invalid: a response has one from 200 to 599")
    }
}

/// Whether a response with this status never has content, whatever its headers say.
pub(crate) fn is_bodiless(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}

/// How a message is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Framing {
    /// The change to make to the `content-length` of the message.
    pub(crate) header: Header,
    /// The length that the body must have, if one is declared.
    pub(crate) declared: Option<u64>,
    pub(crate) has_body: bool,
}

/// A change to the `content-length` of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    Keep,
    Add(u64),
    Remove,
    /// Replaces a value other than 0 by 0.
    Clear,
}

/// The known properties of a body: its length, and whether trailers follow.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    pub(crate) length: Option<u64>,
    pub(crate) has_trailers: bool,
}

impl Known {
    /// Returns the length for a `content-length`, which a message with trailers cannot have.
    fn length_for_header(self) -> Option<u64> {
        self.length.filter(|_| !self.has_trailers)
    }
}

/// Returns the framing of a request. `set` is the `content-length` that the user set.
pub(crate) fn of_request(method: &Method, set: Option<u64>, body: Known) -> Result<Framing, String> {
    if let (Some(declared), Some(length)) = (set, body.length)
        && declared != length
    {
        return Err(format!("content-length is set to {declared}, the body has {length} bytes"));
    }
    let header = match (set, body.length_for_header()) {
        (None, Some(length)) if length > 0 || anticipates_content(method) => Header::Add(length),
        _ => Header::Keep,
    };
    Ok(Framing { header, declared: set.or(body.length_for_header()), has_body: body.length_for_header() != Some(0) })
}

/// Whether a request of this method usually has content, so that even an empty body is declared, with
/// `content-length: 0`.
fn anticipates_content(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(method)
}

/// Returns the framing of a response. `set` is the `content-length` that the handler set. Fails if the status or the
/// length is invalid.
pub(crate) fn of_response(status: StatusCode, is_head: bool, set: Option<u64>, body: Known) -> Result<Framing, String> {
    check_status(status)?;
    let has_content = !is_head && !is_bodiless(status);
    if let (Some(declared), Some(length)) = (set, body.length)
        && declared != length
        && has_content
    {
        return Err(format!("the handler set content-length {declared} on a body of {length} bytes"));
    }
    let header = match (status, set, body.length_for_header()) {
        (StatusCode::NO_CONTENT, Some(_), _) => Header::Remove,
        (StatusCode::RESET_CONTENT, None, _) if !is_head => Header::Add(0),
        (StatusCode::RESET_CONTENT, Some(1..), _) => Header::Clear,
        (_, None, Some(length)) if has_content => Header::Add(length),
        // If the body of a response to HEAD is empty, its length is not added: the response to GET may be longer.
        (_, None, Some(length @ 1..)) if is_head && !is_bodiless(status) => Header::Add(length),
        _ => Header::Keep,
    };
    let has_body = has_content && body.length_for_header() != Some(0);
    Ok(Framing { header, declared: set.or(body.length_for_header()), has_body })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: Known = Known { length: Some(0), has_trailers: false };
    const FIVE: Known = Known { length: Some(5), has_trailers: false };
    const UNKNOWN: Known = Known { length: None, has_trailers: false };

    #[test]
    fn a_final_status_is_one_from_200_to_599() {
        for (number, is_final) in [(100, false), (199, false), (200, true), (599, true), (600, false), (999, false)] {
            let status = StatusCode::from_u16(number).unwrap();
            assert_eq!(of_response(status, false, None, FIVE).is_ok(), is_final, "{number}");
        }
    }

    #[test]
    fn a_length_is_digits_or_a_list_of_equal_ones() {
        for (text, expected) in [("0", 0), ("5", 5), ("007", 7), ("5, 5", 5), ("5,5 ,\t5", 5)] {
            assert_eq!(declared(text.as_bytes()), Some(expected), "{text}");
        }
        for text in ["", "+5", "-5", "5 5", "5,", ",5", "5, 6", "5, +5", "0x5", "5.0", "99999999999999999999"] {
            assert_eq!(declared(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_repeated_length_is_one_and_a_contradictory_one_is_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(of_headers(&mut headers), Ok(None));
        headers.append("content-length", "5".parse().unwrap());
        headers.append("content-length", "5, 5".parse().unwrap());
        assert_eq!(of_headers(&mut headers), Ok(Some(5)));
        assert_eq!(headers.get_all("content-length").iter().collect::<Vec<_>>(), ["5"]);
        headers.append("content-length", "6".parse().unwrap());
        assert_eq!(of_headers(&mut headers), Err("content-length `6` contradicts the one before".to_owned()));
    }

    #[test]
    fn a_request_without_content_has_a_length_only_where_its_method_has_content() {
        for (method, header) in [
            (Method::GET, Header::Keep),
            (Method::HEAD, Header::Keep),
            (Method::DELETE, Header::Keep),
            (Method::OPTIONS, Header::Keep),
            (Method::POST, Header::Add(0)),
            (Method::PUT, Header::Add(0)),
            (Method::PATCH, Header::Add(0)),
        ] {
            let framing = of_request(&method, None, EMPTY).unwrap();
            assert_eq!((framing.header, framing.has_body), (header, false), "{method}");
            assert_eq!(of_request(&method, None, FIVE).unwrap().header, Header::Add(5), "{method}");
            assert!(of_request(&method, None, UNKNOWN).unwrap().has_body, "{method}");
        }
        assert!(of_request(&Method::POST, Some(4), FIVE).is_err());
    }

    #[test]
    fn an_answer_to_head_has_no_invented_length() {
        let head = |status, set, body| of_response(status, true, set, body).unwrap().header;
        assert_eq!(head(StatusCode::OK, None, EMPTY), Header::Keep);
        assert_eq!(head(StatusCode::OK, None, UNKNOWN), Header::Keep);
        assert_eq!(head(StatusCode::OK, Some(100), EMPTY), Header::Keep);
        assert_eq!(head(StatusCode::OK, None, FIVE), Header::Add(5));
        assert_eq!(head(StatusCode::NOT_MODIFIED, None, FIVE), Header::Keep);
    }

    #[test]
    fn statuses_without_content_have_neither_body_nor_a_false_length() {
        for (status, set, header) in [
            (StatusCode::NO_CONTENT, None, Header::Keep),
            (StatusCode::NO_CONTENT, Some(5), Header::Remove),
            (StatusCode::RESET_CONTENT, None, Header::Add(0)),
            (StatusCode::RESET_CONTENT, Some(0), Header::Keep),
            (StatusCode::RESET_CONTENT, Some(9), Header::Clear),
            (StatusCode::NOT_MODIFIED, None, Header::Keep),
            (StatusCode::NOT_MODIFIED, Some(9), Header::Keep),
        ] {
            let framing = of_response(status, false, set, FIVE).unwrap();
            assert_eq!((framing.header, framing.has_body), (header, false), "{status} {set:?}");
        }
    }

    #[test]
    fn a_length_that_is_not_true_of_the_body_is_refused() {
        let error = of_response(StatusCode::OK, false, Some(4), FIVE).unwrap_err();
        assert_eq!(error, "the handler set content-length 4 on a body of 5 bytes");
        let with_trailers = Known { has_trailers: true, ..FIVE };
        assert_eq!(of_response(StatusCode::OK, false, None, with_trailers).unwrap().header, Header::Keep);
        assert!(of_response(StatusCode::OK, false, None, Known { has_trailers: true, ..EMPTY }).unwrap().has_body);
    }
}
