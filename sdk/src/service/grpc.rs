//! Enforces the time limit in the header `grpc-timeout` of a gRPC call.
//!
//! The crate tonic enforces it only in its own server, which components do not use.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::BoxError;
use crate::time::{Sleep, sleep};
use crate::{Body, Response, body};

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The maximum number of digits of a time limit in `grpc-timeout`.
const MAX_DIGITS: usize = 8;

/// The time limit of a gRPC call.
pub(super) struct Limited {
    limit: Duration,
    /// The media type of the request, which the response repeats.
    content_type: HeaderValue,
}

impl Limited {
    /// Returns the time limit of a gRPC request. Ignores a malformed time limit, as the server of tonic does.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let content_type = headers.get(header::CONTENT_TYPE).filter(|value| is_grpc(value.as_bytes()))?;
        let limit = duration(headers.get(GRPC_TIMEOUT)?.as_bytes())?;
        Some(Self { limit, content_type: content_type.clone() })
    }

    /// Waits for the response. If the time limit ends first, responds with the status `DEADLINE_EXCEEDED`. If the
    /// time limit ends while the response body is sent, ends the body with that status.
    pub(super) async fn answer(
        self,
        call: impl Future<Output = Result<Response, BoxError>>,
    ) -> Result<Response, BoxError> {
        let mut deadline = sleep(self.limit);
        let mut call = pin!(call);
        let answer = poll_fn(|cx| match call.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => Pin::new(&mut deadline).poll(cx).map(|()| None),
        });
        match answer.await {
            Some(answer) => Ok(answer?.map(|body| self.limited(body, deadline))),
            None => {
                let mut response = Response::default();
                *response.headers_mut() = deadline_exceeded();
                response.headers_mut().insert(header::CONTENT_TYPE, self.content_type);
                Ok(response)
            }
        }
    }

    /// Makes a body end at the deadline, with the status `DEADLINE_EXCEEDED` in its trailers. Does not change a
    /// gRPC-Web body, because gRPC-Web encodes trailers differently.
    fn limited(&self, body: Body, deadline: Sleep) -> Body {
        if body.is_end_stream() || is_web(self.content_type.as_bytes()) {
            return body;
        }
        Body::from_http_body(LimitedBody { body: Some(body), deadline })
    }
}

/// Returns the headers or trailers for the status 4 (`DEADLINE_EXCEEDED`).
fn deadline_exceeded() -> HeaderMap {
    HeaderMap::from_iter([
        (HeaderName::from_static("grpc-status"), HeaderValue::from_static("4")),
        (HeaderName::from_static("grpc-message"), HeaderValue::from_static("Timeout expired")),
    ])
}

struct LimitedBody {
    /// `None` after the end of the body.
    body: Option<Body>,
    deadline: Sleep,
}

impl HttpBody for LimitedBody {
    type Data = Bytes;
    type Error = body::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, body::Error>>> {
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        // The deadline is checked first: a body that always has data ready would otherwise run past it.
        if Pin::new(&mut this.deadline).poll(cx).is_ready() {
            this.body = None;
            return Poll::Ready(Some(Ok(Frame::trailers(deadline_exceeded()))));
        }
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if frame.as_ref().is_none_or(|frame| frame.as_ref().map_or(true, Frame::is_trailers)) {
            this.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

fn is_grpc(content_type: &[u8]) -> bool {
    match content_type.split_at_checked(b"application/grpc".len()) {
        Some((start, rest)) => {
            start.eq_ignore_ascii_case(b"application/grpc") && matches!(rest, [] | [b'+' | b';' | b'-' | b' ', ..])
        }
        None => false,
    }
}

fn is_web(content_type: &[u8]) -> bool {
    content_type.get(b"application/grpc".len()) == Some(&b'-')
}

/// Parses a time limit: up to eight digits and a unit, such as `100m` for 100 milliseconds.
fn duration(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if digits.len() > MAX_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(number * 60 * 60),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::test::{block_on, pause};
    use crate::time::sleep;

    const SECOND: Duration = Duration::from_secs(1);

    fn limited(content_type: &'static str, timeout: &'static str) -> Option<Limited> {
        Limited::of(&HeaderMap::from_iter([
            (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
            (GRPC_TIMEOUT, HeaderValue::from_static(timeout)),
        ]))
    }

    /// Returns the response to a call with a time limit of one second.
    fn answer(call: impl Future<Output = Result<Response, BoxError>>) -> Response {
        block_on(limited("application/grpc", "1S").unwrap().answer(call)).unwrap()
    }

    #[test]
    fn a_limit_has_up_to_eight_digits_and_a_unit() {
        for (text, expected) in [
            ("1H", SECOND * 3600),
            ("2M", SECOND * 120),
            ("3S", SECOND * 3),
            ("100m", SECOND / 10),
            ("5u", Duration::from_micros(5)),
            ("6n", Duration::from_nanos(6)),
            ("0S", Duration::ZERO),
            ("99999999H", SECOND * 3600 * 99_999_999),
        ] {
            assert_eq!(duration(text.as_bytes()), Some(expected), "{text}");
        }
        for text in ["", "S", "1", "1s", "1h", "123456789S", "+1S", "-1S", "1.5S", " 1S", "1 S", "1ms", "\u{e9}"] {
            assert_eq!(duration(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn only_calls_of_grpc_have_a_deadline() {
        for content_type in
            ["application/grpc", "application/grpc+proto", "Application/gRPC;x=y", "application/grpc-web+proto"]
        {
            assert!(limited(content_type, "1S").is_some(), "{content_type}");
        }
        for content_type in ["", "application/json", "application/grpcx", "application/grp"] {
            assert!(limited(content_type, "1S").is_none(), "{content_type}");
        }
        assert!(limited("application/grpc", "soon").is_none());
    }

    #[test]
    fn a_call_that_takes_longer_is_answered_with_status_4_and_no_trailers() {
        let _paused = pause();
        let response = answer(std::future::pending());
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["grpc-status"], "4");
        assert_eq!(response.headers()["content-type"], "application/grpc");
        assert!(response.body().is_end_stream());
    }

    #[test]
    fn a_call_that_fails_or_answers_in_time_is_left_alone() {
        let _paused = pause();
        let late = async {
            sleep(SECOND - Duration::from_millis(1)).await;
            Ok(Response::new("whole".into()))
        };
        assert_eq!(block_on(answer(late).into_body().text()).unwrap(), "whole");
        let failed = limited("application/grpc", "1S").unwrap().answer(async { Err("no".into()) });
        assert_eq!(block_on(failed).unwrap_err().to_string(), "no");
    }

    /// Reads a body with a time limit of 10 seconds. Each piece arrives the given number of seconds after the one
    /// before it. Returns the text and the status in the trailers.
    fn read(pieces: &'static [u64]) -> (String, Option<String>) {
        let _paused = pause();
        let stream = futures_util::stream::unfold(pieces.iter(), async |mut pieces| {
            let seconds = pieces.next()?;
            sleep(SECOND * u32::try_from(*seconds).unwrap()).await;
            Some((Ok::<_, Infallible>("piece "), pieces))
        });
        let own = HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
        let body = Body::from_stream(stream).with_trailers(own);
        block_on(async {
            let response = limited("application/grpc", "10S").unwrap().answer(async { Ok(Response::new(body)) });
            let mut body = response.await.unwrap().into_body();
            let mut text = String::new();
            while let Some(piece) = body.next_chunk().await {
                text.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
            }
            let status =
                body.trailers().await.unwrap().map(|trailers| trailers["grpc-status"].to_str().unwrap().to_owned());
            (text, status)
        })
    }

    #[test]
    fn a_body_that_takes_longer_ends_with_status_4_in_its_trailers() {
        let status = |status: &str| Some(status.to_owned());
        assert_eq!(read(&[1, 2, 3]), ("piece piece piece ".to_owned(), status("0")));
        assert_eq!(read(&[11]), (String::new(), status("4")));
        assert_eq!(read(&[4, 4, 4]), ("piece piece ".to_owned(), status("4")));
        assert_eq!(read(&[]), (String::new(), status("0")));
    }
}
