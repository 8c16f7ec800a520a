//! A request and its response.
//!
//! An instance of this world handles one request at a time, so the current exchange is a global, where the panic hook
//! finds it too.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::mem;
use std::panic::PanicHookInfo;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};

use super::bindings::wasi::http::types as wasi;
use super::heads::WorldHeads;
use super::incoming::ArrivingBody;
use super::outgoing::{self, Slot, Writer};
use super::{convert, lists};
use crate::sys::abi::head;
use crate::sys::body::{self, MessageBody, Origin};
use crate::sys::executor::{self, blocking};
use crate::sys::http::framing::{self, Known};
use crate::sys::http::problem::{INTERNAL, PROBLEM_JSON};
use crate::sys::http::{headers, response};
use crate::sys::log::Chain;
use crate::sys::request::{IncomingRequest, RequestError};
use crate::sys::{HandlerResult, MoreHeaders, Responder, panic_hook};

thread_local! {
    static EXCHANGE: RefCell<Exchange> = const { RefCell::new(Exchange::NONE) };
}

/// The current exchange.
struct Exchange {
    /// Distinguishes this exchange from an earlier one, whose request a handler may have kept.
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

/// Handles one request to its end: runs the handler and the spawned futures, and sends the response with its body.
pub fn serve<F: Future<Output: HandlerResult>>(
    request: wasi::IncomingRequest,
    response_out: wasi::ResponseOutparam,
    handler: impl FnOnce(ArrivingRequest) -> F,
) {
    panic_hook::install(on_panic);
    let number = EXCHANGE.with_borrow_mut(|exchange| {
        let number = exchange.number.wrapping_add(1);
        *exchange = Exchange { number, request: Some(request), response_out: Some(response_out), writer: None };
        number
    });
    let request = ArrivingRequest { number, declared: Cell::new(None) };
    blocking::block_on(handler(request)).send(ToHost);
    blocking::end();
    EXCHANGE.with_borrow_mut(|exchange| exchange.request = None);
}

/// The request of an exchange, found through the thread-local `EXCHANGE`.
pub struct ArrivingRequest {
    number: u32,
    /// The declared length of the body, once the headers have been read.
    declared: Cell<Option<Option<u64>>>,
}

impl ArrivingRequest {
    fn with<R>(&self, read: impl FnOnce(&wasi::IncomingRequest) -> R) -> Result<R, RequestError> {
        EXCHANGE
            .with_borrow(|exchange| {
                let request = exchange.request.as_ref().filter(|_| exchange.number == self.number);
                request.map(read)
            })
            .ok_or(RequestError::Gone)
    }
}

impl IncomingRequest for ArrivingRequest {
    fn method(&self) -> Result<Method, RequestError> {
        convert::method_from_wasi(self.with(|request| lists(|| request.method()))?).map_err(RequestError::Invalid)
    }

    fn uri(&self) -> Result<Uri, RequestError> {
        self.with(head::uri_of_request::<WorldHeads>)?
    }

    fn headers(&self) -> Result<HeaderMap, RequestError> {
        let (headers, declared) = self.with(head::headers_of_request::<WorldHeads>)??;
        self.declared.set(Some(declared.length));
        Ok(headers)
    }

    fn head<B>(&self, request: &mut Request<B>) -> Result<(), RequestError> {
        let declared = self.with(|incoming| head::read::<WorldHeads, _>(incoming, request))??;
        self.declared.set(Some(declared.length));
        Ok(())
    }

    fn into_body<B: MessageBody>(self) -> B {
        let declared = self.declared.get().unwrap_or_else(|| self.with(declared_length).ok().flatten());
        match self.with(wasi::IncomingRequest::consume) {
            Ok(Ok(body)) => B::incoming(ArrivingBody::new(body, declared), Origin::Request),
            // If the body was taken before, this one is empty.
            Ok(Err(())) | Err(_) => B::default(),
        }
    }
}

/// Reads only the `content-length` of a request.
fn declared_length(request: &wasi::IncomingRequest) -> Option<u64> {
    let values = lists(|| request.headers().get(header::CONTENT_LENGTH.as_str()));
    framing::declared(values.first()?)
}

/// The writer of the response, stored in the thread-local `EXCHANGE`.
struct ResponseWriter;

impl Slot for ResponseWriter {
    fn with<R>(&mut self, operation: impl FnOnce(&mut Writer) -> R) -> Result<R, body::Error> {
        EXCHANGE.with_borrow_mut(|exchange| exchange.writer.as_mut().map(operation)).ok_or_else(body::Error::closed)
    }

    fn take(self) -> Option<Writer> {
        take_writer()
    }

    fn may_block(&self) -> bool {
        // The handler has returned, so only spawned futures could run meanwhile.
        executor::is_alone()
    }
}

fn take_writer() -> Option<Writer> {
    EXCHANGE.with_borrow_mut(|exchange| exchange.writer.take())
}

/// Sends the response to the host. If it cannot be sent, sends a 500 and logs the reason.
struct ToHost;

impl<B: MessageBody> Responder<B> for ToHost {
    type Sent = ();

    fn bytes(self, status: StatusCode, content_type: Option<&'static str>, body: Bytes) {
        or_fail(with_content_type(content_type).and_then(|fields| start_bytes(status, fields, None, body)));
    }

    fn bytes_and_headers(self, status: StatusCode, content_type: &'static str, headers: &dyn MoreHeaders, body: Bytes) {
        or_fail(with_content_type(Some(content_type)).and_then(|fields| {
            headers::append_more(&fields, headers)?;
            start_bytes(status, fields, None, body)
        }));
    }

    #[inline(always)]
    fn body(self, status: StatusCode, content_type: Option<&'static str>, body: B) {
        match body.into_bytes() {
            Ok(bytes) => Responder::<B>::bytes(self, status, content_type, bytes),
            Err(body) => {
                or_fail(with_content_type(content_type).and_then(|fields| start_body(status, fields, None, body)));
            }
        }
    }

    fn response(self, mut response: Box<Response<B>>) {
        let body = mem::take(response.body_mut());
        let fields = convert::headers_into_wasi(response.headers());
        or_fail(fields.and_then(|(fields, set_length)| match body.into_bytes() {
            Ok(bytes) => start_bytes(response.status(), fields, set_length, bytes),
            Err(body) => start_body(response.status(), fields, set_length, body),
        }));
    }
}

fn with_content_type(content_type: Option<&str>) -> Result<wasi::Fields, String> {
    let fields = wasi::Fields::new();
    headers::append_content_type(&fields, content_type)?;
    Ok(fields)
}

fn or_fail(started: Result<(), String>) {
    if let Err(reason) = started {
        fail(&reason);
    }
}

/// Logs why a response could not be sent, and sends a 500 in its place.
#[cold]
fn fail(reason: &str) {
    log(reason);
    let body = Bytes::from_static(INTERNAL.as_bytes());
    let fields = with_content_type(Some(PROBLEM_JSON));
    let started = fields.and_then(|fields| start_bytes(StatusCode::INTERNAL_SERVER_ERROR, fields, None, body));
    if let Err(reason) = started {
        // The host refuses even the plain response 500, so no response can be sent.
        log(&reason);
    }
}

fn start_bytes(status: StatusCode, fields: wasi::Fields, set_length: Option<u64>, body: Bytes) -> Result<(), String> {
    let known = Known { length: Some(body.len() as u64), has_trailers: false };
    if let Some((writer, declared)) = start(status, fields, set_length, known)? {
        send_bytes(writer, body, declared);
    }
    Ok(())
}

fn start_body<B: MessageBody>(
    status: StatusCode,
    fields: wasi::Fields,
    set_length: Option<u64>,
    body: B,
) -> Result<(), String> {
    if let Some((writer, declared)) = start(status, fields, set_length, body.known())? {
        send_body(writer, body.into_outgoing(), declared);
    }
    Ok(())
}

/// Sends the head of a response. If the response has a body, returns the writer of the body and the declared length.
#[inline(never)]
fn start(
    status: StatusCode,
    fields: wasi::Fields,
    set_length: Option<u64>,
    body: Known,
) -> Result<Option<(Writer, Option<u64>)>, String> {
    let framing = response::write_length(&fields, status, is_head(), set_length, body)?;
    let response = wasi::OutgoingResponse::new(fields);
    if status != StatusCode::OK && response.set_status_code(status.as_u16()).is_err() {
        return Err(format!("the host refused the status {}", status.as_str()));
    }
    if !framing.has_body {
        set(response);
        return Ok(None);
    }
    let writer = response.body().ok().and_then(Writer::new);
    let writer = writer.ok_or("the host refused a body for the response")?;
    set(response);
    Ok(Some((writer, framing.declared)))
}

/// Sends a body of bytes, usually in one write.
fn send_bytes(writer: Writer, mut bytes: Bytes, declared: Option<u64>) {
    let length = bytes.len();
    let mut sent = writer.write_now(&mut bytes);
    if sent.is_ok() && !bytes.is_empty() {
        if let Some(hooks) = executor::hooks() {
            let declared = declared.map(|declared| declared.saturating_sub((length - bytes.len()) as u64));
            return (hooks.world.0)(writer, body::Outgoing::bytes(bytes), declared);
        }
        sent = writer.write_all(&mut bytes);
    }
    cut_on_error(sent.and_then(|()| writer.finish_plainly()));
}

/// The function [`send_body`], stored in the hooks of the executor, so that [`send_bytes`] reaches it only in
/// components with spawned futures.
pub(crate) struct SendBeside(pub(super) fn(Writer, body::Outgoing, Option<u64>));

/// Sends a body while the spawned futures run.
pub(super) fn send_body(writer: Writer, body: body::Outgoing, declared: Option<u64>) {
    EXCHANGE.with_borrow_mut(|exchange| exchange.writer = Some(writer));
    let sent = blocking::block_on(outgoing::write(ResponseWriter, body, declared));
    if sent.is_err() {
        // Dropping the writer cuts the message, so that the client notices that it is incomplete.
        drop(take_writer());
    }
    cut_on_error(sent);
}

fn cut_on_error(sent: Result<(), body::Error>) {
    if let Err(error) = sent
        && !error.is_closed()
    {
        log(&format!("the response was cut: {}", Chain(&error)));
    }
}

/// Sends the head to the host.
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

/// Logs a line about the current exchange on stderr.
pub(super) fn log(message: &str) {
    let target = EXCHANGE.try_with(|exchange| exchange.try_borrow().ok().and_then(|exchange| exchange.target()));
    match target.ok().flatten() {
        Some(target) => eprintln!("{target}: {message}"),
        None => eprintln!("{message}"),
    }
}

impl Exchange {
    /// Formats method and path for log lines.
    fn target(&self) -> Option<String> {
        let request = self.request.as_ref()?;
        let path = request.path_with_query();
        Some(format!("{} {}", convert::method_name(&request.method()), path.as_deref().unwrap_or("/")))
    }
}

/// Responds with 500 after a panic, or breaks off the body that is being sent. No other code of the component runs
/// afterwards.
fn answer_panic() {
    let parts = EXCHANGE.try_with(|exchange| {
        let mut exchange = exchange.try_borrow_mut().ok()?;
        Some((exchange.response_out.take(), exchange.writer.take()))
    });
    let Ok(Some((response_out, writer))) = parts else {
        return;
    };
    // Dropping a writer before the end of its body breaks the body off.
    drop(writer);
    if let Some(out) = response_out {
        let fields = wasi::Fields::new();
        // A failure is ignored, because the response is valid without a media type.
        let _ = headers::append(&fields, header::CONTENT_TYPE.as_str(), PROBLEM_JSON.as_bytes());
        let response = wasi::OutgoingResponse::new(fields);
        let (Ok(()), Some(writer)) = (response.set_status_code(500), response.body().ok().and_then(Writer::new)) else {
            return;
        };
        wasi::ResponseOutparam::set(out, Ok(response));
        if writer.write_blocking(INTERNAL.as_bytes()).is_ok() {
            // No code is left to handle a failure.
            let _ = writer.finish_plainly();
        }
    }
}

/// Responds with 500 if the head has not been sent; otherwise breaks the message off.
fn on_panic(info: &PanicHookInfo<'_>) {
    log(&info.to_string());
    answer_panic();
}
