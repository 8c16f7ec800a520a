//! One request and its answer.
//!
//! An instance of this world handles one request at a time, so the exchange at hand is kept in one place, where a panic
//! finds it too.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::mem;
use std::panic::PanicHookInfo;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, header};

use super::bindings::wasi::http::types as wasi;
use super::imports::HeadsOfWorld;
use super::incoming::IncomingBody;
use super::outgoing::{self, Slot, Writer};
use super::{convert, lists};
use crate::error::{self, Error};
use crate::respond::Answer;
use crate::sys::abi::head;
use crate::sys::http::{framing, headers};
use crate::sys::panic_hook;
use crate::{Body, Request, Response, body, task};

thread_local! {
    static EXCHANGE: RefCell<Exchange> = const { RefCell::new(Exchange::NONE) };
}

/// The exchange at hand.
struct Exchange {
    /// Tells a request of this exchange from one that a handler kept from an earlier one.
    number: u32,
    request: Option<wasi::IncomingRequest>,
    /// Present until the head of the response is sent.
    response_out: Option<wasi::ResponseOutparam>,
    /// Present while the body of the response is being sent.
    writer: Option<Writer>,
}

impl Exchange {
    const NONE: Self = Self { number: 0, request: None, response_out: None, writer: None };
}

/// Handles one request to its end: the handler, the response with its body, the futures spawned beside.
pub fn serve<F: Future<Output = Answer>>(
    request: wasi::IncomingRequest,
    response_out: wasi::ResponseOutparam,
    handler: impl FnOnce(crate::IncomingRequest) -> F,
) {
    panic_hook::install(on_panic);
    let number = EXCHANGE.with_borrow_mut(|exchange| {
        let number = exchange.number.wrapping_add(1);
        *exchange = Exchange { number, request: Some(request), response_out: Some(response_out), writer: None };
        number
    });
    let request = IncomingRequest { number, declared: Cell::new(None) };
    let answer = task::block_on(handler(crate::IncomingRequest::new(request)));
    respond(answer);
    task::end();
    EXCHANGE.with_borrow_mut(|exchange| exchange.request = None);
}

/// The request of an exchange: a token for what the exchange holds.
pub(crate) struct IncomingRequest {
    number: u32,
    /// The length of the body, once the fields have been read, where they tell it.
    declared: Cell<Option<Option<u64>>>,
}

impl IncomingRequest {
    fn with<R>(&self, read: impl FnOnce(&wasi::IncomingRequest) -> R) -> Result<R, Error> {
        EXCHANGE
            .with_borrow(|exchange| {
                let request = exchange.request.as_ref().filter(|_| exchange.number == self.number);
                request.map(read)
            })
            .ok_or_else(|| Error::new(StatusCode::INTERNAL_SERVER_ERROR, "a request was kept beyond its exchange"))
    }
}

impl crate::sys::IncomingRequest for IncomingRequest {
    fn method(&self) -> Result<Method, Error> {
        convert::method_from_wasi(self.with(|request| lists(|| request.method()))?).map_err(head::bad_request)
    }

    fn uri(&self) -> Result<Uri, Error> {
        self.with(head::uri_of_request::<HeadsOfWorld>)?
    }

    fn headers(&self) -> Result<HeaderMap, Error> {
        let (headers, told) = self.with(head::headers_of_request::<HeadsOfWorld>)??;
        self.declared.set(Some(told.length));
        Ok(headers)
    }

    fn head<B>(&self, request: &mut Request<B>) -> Result<(), Error> {
        let told = self.with(|incoming| head::read::<HeadsOfWorld, _>(incoming, request))??;
        self.declared.set(Some(told.length));
        Ok(())
    }

    fn into_body(self) -> Body {
        let declared = self.declared.get().unwrap_or_else(|| self.with(declared_length).ok().flatten());
        match self.with(wasi::IncomingRequest::consume) {
            Ok(Ok(body)) => Body::incoming(IncomingBody::new(body, declared)),
            // A body that was taken before has nothing left.
            Ok(Err(())) | Err(_) => Body::empty(),
        }
    }
}

/// The length that the fields of a request declare, without reading the others.
fn declared_length(request: &wasi::IncomingRequest) -> Option<u64> {
    let values = lists(|| request.headers().get(header::CONTENT_LENGTH.as_str()));
    framing::declared(values.first()?)
}

/// The writer of the response, kept in the exchange.
struct ResponseWriter;

impl Slot for ResponseWriter {
    fn with<R>(&mut self, operation: impl FnOnce(&mut Writer) -> R) -> Result<R, body::Error> {
        EXCHANGE.with_borrow_mut(|exchange| exchange.writer.as_mut().map(operation)).ok_or_else(body::Error::closed)
    }

    fn take(self) -> Option<Writer> {
        take_writer()
    }

    fn may_block(&self) -> bool {
        // The handler has returned, so what remains are the futures that it spawned.
        task::is_alone()
    }
}

fn take_writer() -> Option<Writer> {
    EXCHANGE.with_borrow_mut(|exchange| exchange.writer.take())
}

/// How what is more than bytes with a media type is sent.
pub(crate) struct Sending {
    /// Sends a response whose fields are those of a map.
    response: fn(Box<Response>),
    /// Sends a body after its head, which declares the given length.
    body: fn(Body, Option<u64>),
}

pub(super) const SENDING: Sending = Sending { response: respond_whole, body: send_body };

/// Sends an answer. What cannot be sent as it is becomes a 500 and a log line.
fn respond(answer: Answer) {
    match answer {
        Answer::Body { status, content_type, body } => {
            let fields = content_type.map_or_else(|| Ok(wasi::Fields::new()), with_content_type);
            start_or_fail(fields.and_then(|fields| start(status, fields, None, body)));
        }
        Answer::Response(response) => match response.body().sending() {
            Some(sending) => (sending.response)(response),
            None => fail("the response was made for another world"),
        },
    }
}

/// Sends a response whose fields are those of a map.
#[expect(clippy::boxed_local, reason = "it comes in a box, and would be moved out of it first")]
fn respond_whole(mut response: Box<Response>) {
    let body = mem::take(response.body_mut());
    let fields = convert::headers_into_wasi(response.headers());
    start_or_fail(fields.and_then(|(fields, set_length)| start(response.status(), fields, set_length, body)));
}

fn with_content_type(content_type: &str) -> Result<wasi::Fields, String> {
    let fields = wasi::Fields::new();
    headers::append(&fields, "content-type", content_type.as_bytes())?;
    Ok(fields)
}

fn start_or_fail(started: Result<(), String>) {
    if let Err(reason) = started {
        fail(&reason);
    }
}

/// Logs why an answer could not be sent, and sends a 500 in its place.
#[cold]
fn fail(reason: &str) {
    log(reason);
    let fields = with_content_type(error::PROBLEM_JSON);
    let started =
        fields.and_then(|fields| start(StatusCode::INTERNAL_SERVER_ERROR, fields, None, Body::from(error::INTERNAL)));
    if let Err(reason) = started {
        // The host refuses even a plain response: it is gone.
        log(&reason);
    }
}

/// Sends a response, or tells why none was begun.
fn start(status: StatusCode, fields: wasi::Fields, set_length: Option<u64>, body: Body) -> Result<(), String> {
    let framing = framing::of_response(status, is_head(), set_length, body.known())?;
    headers::set_length(&fields, framing.header)?;
    let response = wasi::OutgoingResponse::new(fields);
    if status != StatusCode::OK && response.set_status_code(status.as_u16()).is_err() {
        return Err(format!("the host refused the status {}", status.as_str()));
    }
    if !framing.has_body {
        set(response);
        return Ok(());
    }
    let writer = response.body().ok().and_then(Writer::new);
    let writer = writer.ok_or("the host refused a body for the response")?;
    set(response);
    match body.into_bytes_or() {
        Ok(bytes) => send_bytes(writer, bytes, framing.declared),
        Err((sending, body)) => {
            EXCHANGE.with_borrow_mut(|exchange| exchange.writer = Some(writer));
            (sending.body)(body, framing.declared);
        }
    }
    Ok(())
}

/// Sends a body of bytes, most often all at once.
fn send_bytes(writer: Writer, mut bytes: Bytes, declared: Option<u64>) {
    let length = bytes.len();
    let mut sent = writer.write_now(&mut bytes);
    if sent.is_ok() && !bytes.is_empty() {
        if let Some(sending) = task::sending() {
            // Something else could go on meanwhile.
            let declared = declared.map(|declared| declared.saturating_sub((length - bytes.len()) as u64));
            EXCHANGE.with_borrow_mut(|exchange| exchange.writer = Some(writer));
            return (sending.body)(Body::from(bytes), declared);
        }
        sent = writer.write_all(&mut bytes);
    }
    cut_on_error(sent.and_then(|()| writer.finish_plainly()));
}

/// Sends a body after its head.
fn send_body(body: Body, declared: Option<u64>) {
    let (body, trailers) = body.into_outgoing();
    let sent = task::block_on(outgoing::write(ResponseWriter, body, trailers, declared));
    if sent.is_err() {
        // The message is broken off, so that the client does not take a part for the whole.
        drop(take_writer());
    }
    cut_on_error(sent);
}

fn cut_on_error(sent: Result<(), body::Error>) {
    if let Err(error) = sent
        && !error.is_closed()
    {
        log(&format!("the response was cut: {}", error::Chain(&error)));
    }
}

/// Hands the head to the host.
fn set(response: wasi::OutgoingResponse) {
    if let Some(out) = EXCHANGE.with_borrow_mut(|exchange| exchange.response_out.take()) {
        wasi::ResponseOutparam::set(out, Ok(response));
    }
}

fn is_head() -> bool {
    EXCHANGE.with_borrow(|exchange| {
        exchange.request.as_ref().is_some_and(|request| matches!(request.method(), wasi::Method::Head))
    })
}

/// Writes a line about the exchange at hand to stderr.
pub(super) fn log(message: &str) {
    let target = EXCHANGE.try_with(|exchange| exchange.try_borrow().ok().and_then(|exchange| exchange.target()));
    match target.ok().flatten() {
        Some(target) => eprintln!("{target}: {message}"),
        None => eprintln!("{message}"),
    }
}

impl Exchange {
    /// Method and path, as they stand in log lines.
    fn target(&self) -> Option<String> {
        let request = self.request.as_ref()?;
        let path = request.path_with_query();
        Some(format!("{} {}", convert::method_name(&request.method()), path.as_deref().unwrap_or("/")))
    }
}

/// Answers or breaks off the exchange at hand after a panic, when no other code can run any more.
fn answer_panic() {
    let parts = EXCHANGE.try_with(|exchange| {
        let mut exchange = exchange.try_borrow_mut().ok()?;
        Some((exchange.response_out.take(), exchange.writer.take()))
    });
    let Ok(Some((response_out, writer))) = parts else {
        return;
    };
    // Dropped before its end, the body is broken off.
    drop(writer);
    if let Some(out) = response_out {
        let fields = wasi::Fields::new();
        // A client makes do without the media type.
        let _ = headers::append(&fields, header::CONTENT_TYPE.as_str(), error::PROBLEM_JSON.as_bytes());
        let response = wasi::OutgoingResponse::new(fields);
        let (Ok(()), Some(writer)) = (response.set_status_code(500), response.body().ok().and_then(Writer::new)) else {
            return;
        };
        wasi::ResponseOutparam::set(out, Ok(response));
        if writer.write_blocking(error::INTERNAL.as_bytes()).is_ok() {
            // Nobody is left who could act on a failure.
            let _ = writer.finish_plainly();
        }
    }
}

/// Answers 500 if the head has not been sent, and else breaks the message off.
fn on_panic(info: &PanicHookInfo<'_>) {
    log(&info.to_string());
    answer_panic();
}
