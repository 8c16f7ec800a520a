//! Validates and normalizes response heads of upstreams.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http::{HeaderMap, Request, Uri, header, response};
use tokio::sync::Notify;

use crate::message::body::Body;
use crate::message::error_code::ErrorCode;
use crate::message::framing::{InvalidLength, check_length, is_final};
use crate::message::headers::remove_connection_fields;
use crate::message::headers::{elements, quoted};
use crate::outbound::shown;

/// The most headers of a response over HTTP/1.1.
pub(super) const HEAD_FIELDS: usize = 1000;
/// The most bytes of a response's headers. wasmtime lets a component pass on 128 KiB. The remaining 4 KiB are for
/// headers that the component adds.
const HEAD_BYTES: usize = 124 * 1024;
/// The size in bytes above which hyper rejects a head over HTTP/2. Over HTTP/1.1, hyper applies a fixed limit. The
/// value is larger than [`HEAD_BYTES`], so that this module can log most excesses with a clear message.
pub(super) const PARSED_BYTES: u32 = 408 * 1024;

/// The most interim responses before the final one.
const INTERIM_RESPONSES: u32 = 100;

/// Checks the head of a response. Reduces repeated lengths to one, and removes the headers that concern only the
/// connection.
///
/// # Errors
///
/// Fails if the upstream breaks the rules of HTTP so that the response is ambiguous. The log says how.
pub(super) fn tidy(head: &mut response::Parts, uri: &Uri) -> Result<(), ErrorCode> {
    // 101 is wrong because no request asks for another protocol (RFC 9110, section 15.2.2). Other interim statuses are
    // wrong because a final response must follow them.
    if head.status.is_informational() {
        return Err(broken(uri, &format!("it answered with the interim status {}", head.status.as_u16())));
    }
    if !is_final(head.status) {
        return Err(broken(uri, &format!("its status {} is outside 100 to 599", head.status.as_u16())));
    }
    if bytes_of(&head.headers) > HEAD_BYTES {
        return Err(too_large(uri));
    }
    check_codings(&head.headers, uri)?;
    check_length(&mut head.headers)
        .map_err(|InvalidLength| broken(uri, "its `content-length` is not one number of bytes"))?;
    remove_connection_fields(&mut head.headers);
    Ok(())
}

/// Rejects transfer codings that would stay in the body: hyper decodes only a single `chunked` (RFC 9112, section 7).
fn check_codings(headers: &HeaderMap, uri: &Uri) -> Result<(), ErrorCode> {
    let is_decoded =
        |coding: &[u8]| [&b"chunked"[..], b"identity"].iter().any(|name| coding.eq_ignore_ascii_case(name));
    let mut codings = elements(headers.get_all(header::TRANSFER_ENCODING).iter());
    let Some(first) = codings.next() else { return Ok(()) };
    let refused = if is_decoded(first) { codings.next() } else { Some(first) };
    let Some(coding) = refused else { return Ok(()) };
    tracing::warn!(
        "the response of `{}` cannot be decoded: it has the transfer coding {}, and only one `chunked` is known",
        shown(uri),
        quoted(coding)
    );
    Err(ErrorCode::HttpResponseTransferCoding(Some(String::from_utf8_lossy(coding).into_owned())))
}

/// Returns the size of headers on the wire of HTTP/1.1.
fn bytes_of(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum()
}

/// Logs how an upstream broke the rules of HTTP.
fn broken(uri: &Uri, how: &str) -> ErrorCode {
    tracing::warn!("the response of `{}` is not valid HTTP: {how}", shown(uri));
    ErrorCode::HttpProtocolError
}

/// Logs that the head of a response is too large.
pub(super) fn too_large(uri: &Uri) -> ErrorCode {
    tracing::warn!(
        "the head of the response of `{}` is too large: more than {HEAD_FIELDS} fields or {HEAD_BYTES} bytes",
        shown(uri)
    );
    ErrorCode::HttpResponseHeaderSectionSize(u32::try_from(HEAD_BYTES).ok())
}

/// Counts the interim responses to one request.
#[derive(Clone, Default)]
pub(super) struct Interim(Arc<Counted>);

#[derive(Default)]
struct Counted {
    responses: AtomicU32,
    exceeded: Notify,
}

impl Interim {
    /// Counts the interim responses to a request over HTTP/1.1. Over HTTP/2, only the time limit of the response bounds
    /// their number.
    pub(super) fn count(&self, request: &mut Request<Body>) {
        let counted = Arc::clone(&self.0);
        hyper::ext::on_informational(request, move |_| {
            if counted.responses.fetch_add(1, Ordering::Relaxed) == INTERIM_RESPONSES {
                counted.exceeded.notify_one();
            }
        });
    }

    /// Completes when there have been more than [`INTERIM_RESPONSES`].
    pub(super) async fn exceeded(&self, uri: &Uri) -> ErrorCode {
        self.0.exceeded.notified().await;
        broken(uri, &format!("it sent more than {INTERIM_RESPONSES} interim responses"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;

    #[test]
    fn an_interim_status_is_no_answer() {
        let (mut head, ()) = Response::builder().status(101).body(()).unwrap().into_parts();
        assert!(tidy(&mut head, &Uri::from_static("http://a.test/")).is_err());
    }
}
