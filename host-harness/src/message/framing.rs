//! The length that a head declares for its body, and messages without content (RFC 9110, sections 6.4 and 8.6).

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::body::{Body, BodyError};

/// The `content-length` is not a number, or contradicts another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidLength;

/// Parses the `content-length` of a message: digits, or equal numbers in a list or in several headers.
fn declared(headers: &HeaderMap) -> Result<Option<u64>, InvalidLength> {
    let mut length = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        for number in value.as_bytes().split(|byte| *byte == b',') {
            let number = number_of(number.trim_ascii()).ok_or(InvalidLength)?;
            if length.replace(number).is_some_and(|before| before != number) {
                return Err(InvalidLength);
            }
        }
    }
    Ok(length)
}

/// Parses digits; `str::parse` would accept a sign as well.
pub(crate) fn number_of(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Returns the declared length, if it is valid.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    declared(headers).ok().flatten()
}

/// Replaces equal `content-length` headers by one, and removes all of them if the message is chunked (RFC 9112, section
/// 6.3).
pub(crate) fn check_length(headers: &mut HeaderMap) -> Result<(), InvalidLength> {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    } else if let Some(length) = declared(headers)? {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    Ok(())
}

/// Whether a status is valid and final (RFC 9110, section 15).
pub(crate) fn is_final(status: StatusCode) -> bool {
    (200..600).contains(&status.as_u16())
}

/// Removes the body of a response that must not have one: a response to HEAD, or with the status 204, 205 or 304.
pub(crate) fn without_content(is_head: bool, response: Response<Body>) -> Response<Body> {
    let status = response.status();
    if !is_head && !matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    match status {
        StatusCode::NO_CONTENT => {
            parts.headers.remove(header::CONTENT_LENGTH);
        }
        StatusCode::RESET_CONTENT => {
            parts.headers.insert(header::CONTENT_LENGTH, 0.into());
        }
        StatusCode::NOT_MODIFIED => {}
        _ => {
            if let Some(length @ 1..) = body.size_hint().exact() {
                parts.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| length.into());
            }
        }
    }
    Response::from_parts(parts, Body::empty())
}

/// Keeps the `content-length` of a 304 over HTTP/1.1. hyper would remove it from a response with an empty body.
pub(crate) fn keep_length(response: Response<Body>) -> Response<Body> {
    match content_length(response.headers()) {
        Some(length @ 1..) if response.status() == StatusCode::NOT_MODIFIED => {
            response.map(|_| Body::new(NotSent(length)))
        }
        _ => response,
    }
}

/// The empty body of a 304. Its size hint is the length that the body of a 200 would have.
struct NotSent(u64);

impl HttpBody for NotSent {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(None)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0)
    }
}

/// Adds `transfer-encoding: chunked` to a request whose body has an unknown length. Over HTTP/1.1, hyper does not add
/// the header itself for some methods.
pub(crate) fn announce_chunks(request: &mut Request<Body>) {
    let body = request.body();
    let is_unknown = !body.is_end_stream() && body.size_hint().exact().is_none();
    if is_unknown && !request.headers().contains_key(header::CONTENT_LENGTH) {
        let chunked = http::HeaderValue::from_static("chunked");
        request.headers_mut().insert(header::TRANSFER_ENCODING, chunked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lengths: &[&str]) -> HeaderMap {
        lengths.iter().map(|length| (header::CONTENT_LENGTH, length.parse().unwrap())).collect()
    }

    fn lengths(headers: &HeaderMap) -> Vec<&str> {
        headers.get_all(header::CONTENT_LENGTH).iter().map(|value| value.to_str().unwrap()).collect()
    }

    #[test]
    fn equal_lengths_become_one_and_others_are_refused() {
        for (given, expected) in
            [(&[][..], &[][..]), (&["5"], &["5"]), (&["5, 5"], &["5"]), (&["5", "5", "05"], &["5"])]
        {
            let mut headers = headers(given);
            assert_eq!(check_length(&mut headers), Ok(()), "{given:?}");
            assert_eq!(lengths(&headers), expected, "{given:?}");
        }
        for given in
            [&["5", "6"][..], &["5, 6"], &["+5"], &["-5"], &[""], &["5,"], &["five"], &["99999999999999999999"]]
        {
            assert_eq!(check_length(&mut headers(given)), Err(InvalidLength), "{given:?}");
        }
    }

    #[test]
    fn chunks_win_over_a_length() {
        let mut headers = headers(&["5", "6"]);
        headers.insert(header::TRANSFER_ENCODING, "chunked".parse().unwrap());
        assert_eq!(check_length(&mut headers), Ok(()));
        assert!(lengths(&headers).is_empty());
    }

    async fn answer(is_head: bool, status: u16, length: Option<&str>) -> (Vec<String>, String) {
        let mut response = Response::new(Body::from("hello"));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        *response.headers_mut() = headers(length.as_slice());
        let response = without_content(is_head, response);
        let lengths = lengths(response.headers()).into_iter().map(str::to_owned).collect();
        (lengths, response.into_body().text().await.unwrap())
    }

    #[tokio::test]
    async fn responses_without_content_lose_their_body() {
        for (is_head, status, given, length, body) in [
            (false, 200, None, None, "hello"),
            (true, 200, None, Some("5"), ""),
            (true, 200, Some("100"), Some("100"), ""),
            (false, 204, Some("5"), None, ""),
            (false, 205, Some("5"), Some("0"), ""),
            (false, 304, Some("5"), Some("5"), ""),
            (false, 304, None, None, ""),
        ] {
            let (lengths, text) = answer(is_head, status, given).await;
            assert_eq!((lengths.first().map(String::as_str), text.as_str()), (length, body), "{is_head} {status}");
        }
    }
}
