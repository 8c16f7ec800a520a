//! Writing a cassette while calls are made.

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tower_service::Service as _;

use super::file::{Answered, Missing, Recorded, Sent};
use super::tape::Tape;
use super::{BODY_LIMIT, Redaction};
use crate::Error;
use crate::message::body::Body;
use crate::message::body::{BodyError, error_code};
use crate::message::error_code::ErrorCode;
use crate::message::error_code::copy;
use crate::message::framing::content_length;
use crate::outbound::Outbound;
use crate::outbound::document::{self, Code, Fields};
use crate::telemetry::declared_bytes;

pub(in crate::outbound) fn record(path: &Path, inner: Outbound, redaction: Redaction) -> Result<Outbound, Error> {
    let tape = Tape::new(path, redaction).map_err(|error| document::unwritable(path, "cassette", error))?;
    Ok(Outbound::from_handler(move |request| {
        let call = Ongoing::start(&tape, &request);
        Box::pin(exchange(call, inner.clone(), request))
    }))
}

async fn exchange(
    call: Arc<Ongoing>,
    mut inner: Outbound,
    request: Request<Body>,
) -> Result<Response<Body>, ErrorCode> {
    let method = request.method().clone();
    let upload = Captured::new(Arc::clone(&call), Side::Request);
    let expected = sent_bytes(&request);
    let answer = inner.call(request.map(|body| upload.watch(body, expected))).await;
    match answer {
        Ok(response) => {
            call.lock().answer.head = Some(Ok((response.status().as_u16(), response.headers().clone())));
            let download = Captured::new(call, Side::Response);
            let expected = declared_bytes(&method, response.headers());
            Ok(response.map(|body| download.watch(body, expected)))
        }
        Err(code) => {
            call.lock().answer.head = Some(Err(copy(&code)));
            Err(code)
        }
    }
}

/// How many bytes of its body a request sends, where its head tells; with them it is whole, though nobody asks for its end.
fn sent_bytes(request: &Request<Body>) -> Option<u64> {
    let declared = content_length(request.headers()).or(request.body().size_hint().exact());
    // Over the network these have no body unless they declare its length.
    let bodiless = [Method::GET, Method::HEAD].contains(request.method());
    declared.or(bodiless.then_some(0))
}

/// A call that goes on, which stands in the cassette as soon as nobody holds it any more.
struct Ongoing {
    number: usize,
    tape: Arc<Tape>,
    exchange: Mutex<Exchange>,
}

struct Exchange {
    /// Taken at the end.
    sent: Option<Sent>,
    upload: Capture,
    answer: RecordedResponse,
}

/// An answer; without a head, the component gave up waiting for it.
#[derive(Default)]
struct RecordedResponse {
    head: Option<Result<(u16, HeaderMap), ErrorCode>>,
    download: Capture,
}

/// What was seen of a body.
#[derive(Default)]
struct Capture {
    bytes: BytesMut,
    trailers: HeaderMap,
    missing: Option<Missing>,
    error: Option<ErrorCode>,
}

impl Ongoing {
    fn start(tape: &Arc<Tape>, request: &Request<Body>) -> Arc<Self> {
        let fields = Fields(tape.redaction.redact_fields(request.headers()));
        let url = tape.redaction.redact_url(&request.uri().to_string());
        let sent = Sent::new(request.method().as_str().to_owned(), url, fields);
        let exchange = Exchange { sent: Some(sent), upload: Capture::default(), answer: RecordedResponse::default() };
        Arc::new(Self { number: tape.start(), tape: Arc::clone(tape), exchange: Mutex::new(exchange) })
    }

    fn lock(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        let exchange = self.exchange.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(mut request) = exchange.sent.take() else { return };
        let redaction = &self.tape.redaction;
        let (body, trailers, _) = exchange.upload.take(&mut request.missing, redaction);
        request.set_body(redaction.redact_body(&request.fields.0, body));
        request.trailers = trailers;
        let mut response = Answered::default();
        match exchange.answer.head.take() {
            Some(Ok((status, fields))) => {
                response.status = Some(status);
                response.fields = Fields(redaction.redact_fields(&fields));
                let (body, trailers, error) = exchange.answer.download.take(&mut response.missing, redaction);
                response.set_body(redaction.redact_body(&fields, body));
                response.trailers = trailers;
                response.error = error.map(Code);
            }
            Some(Err(code)) => response.error = Some(Code(code)),
            None => {}
        }
        self.tape.finish(self.number, Recorded { request, response });
    }
}

impl Capture {
    fn add(&mut self, frame: &Frame<Bytes>) {
        if let Some(data) = frame.data_ref() {
            if self.bytes.len() + data.len() > BODY_LIMIT {
                self.missing = Some(Missing::TooLarge);
                self.bytes = BytesMut::new();
            }
            if self.missing.is_none() {
                self.bytes.extend_from_slice(data);
            }
        } else if let Some(trailers) = frame.trailers_ref() {
            self.trailers = trailers.clone();
        }
    }

    fn take(&mut self, missing: &mut Option<Missing>, redaction: &Redaction) -> (Bytes, Fields, Option<ErrorCode>) {
        *missing = self.missing;
        let bytes = std::mem::take(&mut self.bytes).freeze();
        (bytes, Fields(redaction.redact_fields(&self.trailers)), self.error.take())
    }
}

#[derive(Clone, Copy)]
enum Side {
    Request,
    Response,
}

/// Where what is seen of a body goes.
struct Captured {
    /// Given up at the end of the body.
    call: Option<Arc<Ongoing>>,
    side: Side,
}

impl Captured {
    fn new(call: Arc<Ongoing>, side: Side) -> Self {
        Self { call: Some(call), side }
    }

    fn watch(self, body: Body, expected: Option<u64>) -> Body {
        Body::new(RecordedBody { body, captured: self, read: 0, expected })
    }

    fn with(&self, change: impl FnOnce(&mut Capture)) {
        if let Some(call) = &self.call {
            let mut exchange = call.lock();
            change(match self.side {
                Side::Request => &mut exchange.upload,
                Side::Response => &mut exchange.answer.download,
            });
        }
    }

    fn end(&mut self) {
        self.call = None;
    }
}

/// A body that passes through.
struct RecordedBody {
    body: Body,
    captured: Captured,
    read: u64,
    /// How many bytes the whole body has, where that is known.
    expected: Option<u64>,
}

impl HttpBody for RecordedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
            Some(Ok(frame)) => {
                this.captured.with(|capture| capture.add(&frame));
                this.read += frame.data_ref().map_or(0, |data| data.len() as u64);
                // Nothing follows trailers, and whoever knows the length reads no further.
                if frame.is_trailers() || this.body.is_end_stream() {
                    this.captured.end();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                let code = error_code(error);
                this.captured.with(|capture| capture.error = Some(copy(&code)));
                this.captured.end();
                Poll::Ready(Some(Err(code.into())))
            }
            None => {
                this.captured.end();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for RecordedBody {
    fn drop(&mut self) {
        // Where the end was seen, nothing is captured any more.
        if !self.body.is_end_stream() && self.expected != Some(self.read) {
            self.captured.with(|capture| {
                capture.missing.get_or_insert(Missing::Unread);
            });
        }
    }
}
