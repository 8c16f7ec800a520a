//! Records calls in a cassette.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, Response, header};
use http_body::{Body as _, Frame};
use tower_service::Service as _;

use super::file::{Answered, Missing, Recorded, Sent};
use super::tape::Tape;
use super::{BODY_LIMIT, Redaction};
use crate::Error;
use crate::message::body::{Body, BodyError, End, Observer, Passed, code_of, observe};
use crate::message::error_code::ErrorCode;
use crate::message::framing::content_length;
use crate::outbound::Outbound;
use crate::outbound::toml_file::{self, Code, Fields};
use crate::telemetry::declared_bytes;

/// The most pieces of a body whose lengths are recorded. A body in more pieces is replayed in one.
const PIECES_LIMIT: usize = 10_000;

pub(in crate::outbound) fn record(path: &Path, inner: Outbound, redaction: Redaction) -> Result<Outbound, Error> {
    let tape = Tape::new(path, redaction).map_err(|error| toml_file::unwritable(path, "cassette", error))?;
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
            {
                let answer = &mut call.lock().answer;
                answer.head = Some(Ok((response.status().as_u16(), response.headers().clone())));
                answer.download.last = Some(Instant::now());
            }
            let download = Captured::new(call, Side::Response);
            let expected = declared_bytes(&method, response.headers());
            Ok(response.map(|body| download.watch(body, expected)))
        }
        Err(code) => {
            call.lock().answer.head = Some(Err(code.clone()));
            Err(code)
        }
    }
}

/// Returns the length of a request body, if its head declares it. Once a reader has received that many bytes, it may
/// stop without polling for the end.
fn sent_bytes(request: &Request<Body>) -> Option<u64> {
    let declared = content_length(request.headers()).or(request.body().size_hint().exact());
    // Over the network, GET and HEAD requests have no body unless they declare its length.
    let bodiless = [Method::GET, Method::HEAD].contains(request.method());
    declared.or(bodiless.then_some(0))
}

/// An unfinished call. Dropping the last reference writes the call to the cassette.
struct Ongoing {
    number: usize,
    tape: Arc<Tape>,
    exchange: Mutex<OngoingCall>,
}

struct OngoingCall {
    /// The request. Taken when the call is written to the cassette.
    sent: Option<Sent>,
    upload: Capture,
    answer: RecordedResponse,
}

/// The response of a call. `head` is `None` if the component gave up waiting for it.
#[derive(Default)]
struct RecordedResponse {
    head: Option<Result<(u16, HeaderMap), ErrorCode>>,
    download: Capture,
}

/// The recorded part of a body.
#[derive(Default)]
struct Capture {
    bytes: BytesMut,
    /// The length of each piece, and the wait before it.
    pieces: Vec<(Duration, usize)>,
    /// The arrival of the head or of the last piece, of a response.
    last: Option<Instant>,
    trailers: HeaderMap,
    missing: Option<Missing>,
    error: Option<ErrorCode>,
}

impl Ongoing {
    fn start(tape: &Arc<Tape>, request: &Request<Body>) -> Arc<Self> {
        let fields = Fields(tape.redaction.redact_fields(request.headers()));
        let url = tape.redaction.redact_url(&request.uri().to_string());
        let sent = Sent::new(request.method().as_str().to_owned(), url, fields);
        let exchange =
            OngoingCall { sent: Some(sent), upload: Capture::default(), answer: RecordedResponse::default() };
        Arc::new(Self { number: tape.start(), tape: Arc::clone(tape), exchange: Mutex::new(exchange) })
    }

    fn lock(&self) -> MutexGuard<'_, OngoingCall> {
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
                let pieces = std::mem::take(&mut exchange.answer.download.pieces);
                let (body, trailers, error) = exchange.answer.download.take(&mut response.missing, redaction);
                response.set_body(redaction.redact_body(&fields, body));
                if !fields.contains_key(header::CONTENT_LENGTH) && (2..=PIECES_LIMIT).contains(&pieces.len()) {
                    response.set_pieces(&pieces);
                }
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
                self.pieces = Vec::new();
            }
            if self.missing.is_none() {
                let wait = self.last.replace(Instant::now()).map_or(Duration::ZERO, |last| last.elapsed());
                self.pieces.push((wait, data.len()));
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

/// Records one of the two bodies of a call.
struct Captured {
    /// The call of this body. Released at the end of the body.
    call: Option<Arc<Ongoing>>,
    side: Side,
}

impl Captured {
    fn new(call: Arc<Ongoing>, side: Side) -> Self {
        Self { call: Some(call), side }
    }

    fn watch(self, body: Body, expected: Option<u64>) -> Body {
        observe(body, expected, self)
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
}

impl Observer for Captured {
    fn frame(&mut self, frame: &Frame<Bytes>, passed: Passed) -> Result<(), BodyError> {
        self.with(|capture| capture.add(frame));
        if passed.is_last {
            // Releases the call now, because the reader may drop the body only after the test has ended.
            self.call = None;
        }
        Ok(())
    }

    fn error(&mut self, error: BodyError) -> BodyError {
        let code = code_of(&error);
        self.with(|capture| capture.error = Some(code.clone()));
        code.into()
    }

    fn end(self, _: u64, end: End<'_>) {
        if let End::GivenUp = end {
            self.with(|capture| {
                capture.missing.get_or_insert(Missing::Unread);
            });
        }
    }
}
