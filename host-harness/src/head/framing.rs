//! How the body of a request is delimited (RFC 9112, section 6).

use http::{HeaderMap, Request, Version, header};

use super::{Refusal, is_token};
use crate::message::framing::number_of;
use crate::message::headers::{elements, quoted};

/// Rejects a body whose end is ambiguous. An HTTP/1.1 connection is then closed, because the server cannot tell where
/// the next request begins.
pub(super) fn check<B>(request: &mut Request<B>) -> Result<(), Refusal> {
    let version = request.version();
    let headers = request.headers_mut();
    let end = |refusal: Refusal| if version < Version::HTTP_2 { refusal.ending_connection() } else { refusal };
    if !headers.contains_key(header::TRANSFER_ENCODING) {
        return single_length(headers).map_err(end);
    }
    check_codings(version, headers).map_err(end)?;
    // RFC 9112, section 6.3: the transfer coding overrides the length.
    headers.remove(header::CONTENT_LENGTH);
    Ok(())
}

fn check_codings(version: Version, headers: &HeaderMap) -> Result<(), Refusal> {
    // Only HTTP/1.1 has `Transfer-Encoding` (RFC 9112, section 6.1; RFC 9113, section 8.2.2).
    if version != Version::HTTP_11 {
        return Err(Refusal::bad_request(format!("{version:?} has no Transfer-Encoding")));
    }
    let mut codings: Vec<&[u8]> = elements(headers.get_all(header::TRANSFER_ENCODING).iter()).collect();
    if let Some(malformed) = codings.iter().find(|coding| !is_token(name(coding))) {
        return Err(Refusal::bad_request(format!("the transfer coding {} is not a token", quoted(malformed))));
    }
    // `chunked` with parameters is not the coding of RFC 9112, section 7.1.
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    if !codings.pop().is_some_and(is_chunked) {
        return Err(Refusal::bad_request("the last transfer coding is not `chunked`, so the body has no end"));
    }
    if codings.iter().any(|coding| is_chunked(name(coding))) {
        return Err(Refusal::bad_request("the transfer coding `chunked` is applied more than once"));
    }
    match codings.first() {
        None => Ok(()),
        Some(coding) => Err(Refusal::not_implemented(format!(
            "this server does not know the transfer coding {}; send the body with `chunked` alone",
            quoted(coding)
        ))),
    }
}

/// Returns a coding without its parameters.
fn name(coding: &[u8]) -> &[u8] {
    coding.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}

/// Requires `Content-Length` to be one number. Repeated equal headers become one (RFC 9112, section 6.3).
fn single_length(headers: &mut HeaderMap) -> Result<(), Refusal> {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return Ok(()) };
    let Some(length) = number_of(first.as_bytes()) else {
        return Err(Refusal::bad_request(format!(
            "the Content-Length {} is not a number of bytes",
            quoted(first.as_bytes())
        )));
    };
    let mut repeated = false;
    for other in lengths {
        if number_of(other.as_bytes()) != Some(length) {
            return Err(Refusal::bad_request("the request has several values of Content-Length"));
        }
        repeated = true;
    }
    if repeated {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn request(version: Version, fields: &[(&'static str, &'static str)]) -> Request<()> {
        let mut request = Request::new(());
        *request.version_mut() = version;
        for (name, value) in fields {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        request
    }

    fn status(version: Version, fields: &[(&'static str, &'static str)]) -> u16 {
        check(&mut request(version, fields)).err().map_or(200, |refusal| {
            assert_eq!(refusal.ends_connection, version < Version::HTTP_2, "{refusal:?}");
            refusal.status.as_u16()
        })
    }

    #[test]
    fn chunked_is_the_only_coding_and_the_last() {
        for (codings, expected) in [
            ("chunked", 200),
            ("CHUNKED", 200),
            (", chunked ,", 200),
            ("gzip, chunked", 501),
            ("x-a;b=c, chunked", 501),
            ("identity, chunked", 501),
            ("chunked, chunked", 400),
            ("chunked;a=b, chunked", 400),
            ("gzip, chunked, chunked", 400),
            ("gzip", 400),
            ("identity", 400),
            ("chunked, gzip", 400),
            ("chunked;a=b", 400),
            ("g zip, chunked", 400),
            (";, chunked", 400),
            ("\"gzip\", chunked", 400),
            ("", 400),
            (",", 400),
        ] {
            assert_eq!(status(Version::HTTP_11, &[("transfer-encoding", codings)]), expected, "`{codings}`");
        }
    }

    #[test]
    fn other_versions_have_no_codings() {
        for version in [Version::HTTP_10, Version::HTTP_2] {
            assert_eq!(status(version, &[("transfer-encoding", "chunked")]), 400);
        }
    }

    #[test]
    fn the_coding_wins_over_the_length() {
        let fields = [("content-length", "x"), ("transfer-encoding", "chunked"), ("content-length", "1")];
        let mut request = request(Version::HTTP_11, &fields);
        check(&mut request).unwrap();
        assert!(!request.headers().contains_key("content-length"));
    }

    #[test]
    fn a_length_is_one_number() {
        for (lengths, expected) in [
            (&["0"][..], 200),
            (&["18446744073709551615"], 200),
            (&["5", "5"], 200),
            (&["5", "05"], 200),
            (&["5", "6"], 400),
            (&["5, 5"], 400),
            (&["+5"], 400),
            (&["-5"], 400),
            (&[""], 400),
            (&["18446744073709551616"], 400),
        ] {
            let fields: Vec<_> = lengths.iter().map(|length| ("content-length", *length)).collect();
            for version in [Version::HTTP_11, Version::HTTP_2] {
                assert_eq!(status(version, &fields), expected, "{lengths:?}");
            }
        }
        let mut repeated = request(Version::HTTP_2, &[("content-length", "5"), ("content-length", "5")]);
        check(&mut repeated).unwrap();
        assert_eq!(repeated.headers().get_all("content-length").iter().collect::<Vec<_>>(), ["5"]);
    }
}
