//! A request and its response.
//!
//! An instance can have several exchanges in flight. Each has a place in a table, where log lines find its request.

use std::cell::{Cell, RefCell};
use std::future::{Future, IntoFuture as _, poll_fn};
use std::mem;
use std::panic::PanicHookInfo;
use std::pin::{Pin, pin};
use std::task::Poll;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use wit_bindgen::rt::async_support::FutureReader;

use super::bindings::wasi::http::types as wasi;
use super::heads::WorldHeads;
use super::incoming::ArrivingBody;
use super::outgoing::{Message, Origin as DataOrigin, Rest};
use super::{abi, convert, lists};
use crate::sys::abi::head;
use crate::sys::body::{Error, MessageBody, Origin};
use crate::sys::executor::{is_alone, polled};
use crate::sys::http::framing::{self, Known};
use crate::sys::http::problem::{INTERNAL, PROBLEM_JSON};
use crate::sys::http::{headers, response};
use crate::sys::log::Chain;
use crate::sys::request::{IncomingRequest, RequestError};
use crate::sys::{HandlerResult, MoreHeaders, Responder, panic_hook};

thread_local! {
    static EXCHANGES: RefCell<Vec<Exchange>> = const { RefCell::new(Vec::new()) };
    /// The place of the running exchange.
    static AT_HAND: Cell<Option<Place>> = const { Cell::new(None) };
}

/// The place of an exchange in the table.
#[derive(Clone, Copy)]
struct Place {
    index: usize,
    /// Distinguishes an exchange from an earlier one in the same place.
    number: u32,
}

impl Place {
    /// Whether the request is a HEAD request, whose response has no body.
    fn is_head(self) -> bool {
        EXCHANGES.with_borrow(|exchanges| {
            let method = exchanges.get(self.index).and_then(|exchange| exchange.request.method());
            matches!(method, Some(wasi::Method::Head))
        })
    }
}

/// An exchange in flight, or a free place.
#[derive(Default)]
struct Exchange {
    number: u32,
    request: Head,
}

/// The parts of the request that the exchange still has.
#[derive(Default)]
enum Head {
    #[default]
    None,
    /// The whole request, as a resource of the host.
    Whole(wasi::Request),
    /// The method and the path, kept for log lines once the body has been taken.
    Target(wasi::Method, Option<String>),
}

impl Head {
    fn method(&self) -> Option<wasi::Method> {
        match self {
            Self::None => None,
            Self::Whole(request) => Some(request.get_method()),
            Self::Target(method, _) => Some(method.clone()),
        }
    }
}

/// Handles one request to its end: runs the handler and the spawned futures, and sends the response with its body.
pub(super) fn serve<F: Future<Output: HandlerResult>>(
    request: wasi::Request,
    handler: impl FnOnce(ArrivingRequest) -> F + 'static,
) -> u32 {
    panic_hook::install(on_panic);
    let place = begin(request);
    abi::start(async move {
        let exchange = pin!(polled::run(async move {
            let mut handler = pin!(handler(ArrivingRequest { place, declared: Cell::new(None) }));
            let answer = poll_fn(|cx| match handler.as_mut().poll(cx) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending if abi::is_cancelled() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            });
            if let Some(answer) = answer.await {
                respond(answer, place).await;
            }
        }));
        let mut exchange = exchange;
        poll_fn(|cx| {
            AT_HAND.set(Some(place));
            let progress = exchange.as_mut().poll(cx);
            AT_HAND.set(None);
            progress
        })
        .await;
        end(place);
    })
}

#[expect(clippy::indexing_slicing, reason = "the place is one in the table")]
fn begin(request: wasi::Request) -> Place {
    EXCHANGES.with_borrow_mut(|exchanges| {
        let index = exchanges.iter().position(|exchange| matches!(exchange.request, Head::None));
        let index = index.unwrap_or_else(|| {
            exchanges.push(Exchange::default());
            exchanges.len() - 1
        });
        let exchange = &mut exchanges[index];
        exchange.number = exchange.number.wrapping_add(1);
        exchange.request = Head::Whole(request);
        Place { index, number: exchange.number }
    })
}

fn end(place: Place) {
    // The request is dropped after the borrow of the table, because dropping it calls the host.
    let exchange = EXCHANGES
        .with_borrow_mut(|exchanges| exchanges.get_mut(place.index).map(|exchange| mem::take(&mut exchange.request)));
    drop(exchange);
}

/// The request of an exchange, found through its place in the table of exchanges.
pub struct ArrivingRequest {
    place: Place,
    /// The declared length of the body, once the headers have been read.
    declared: Cell<Option<Option<u64>>>,
}

impl ArrivingRequest {
    fn with<R>(&self, read: impl FnOnce(&wasi::Request) -> R) -> Result<R, RequestError> {
        let read = EXCHANGES.with_borrow(|exchanges| {
            let exchange = exchanges.get(self.place.index).filter(|exchange| exchange.number == self.place.number);
            match exchange.map(|exchange| &exchange.request) {
                Some(Head::Whole(request)) => Some(read(request)),
                _ => None,
            }
        });
        read.ok_or(RequestError::Gone)
    }

    /// Takes the request out of the exchange, and leaves its method and path there for log lines.
    fn take(&self) -> Option<wasi::Request> {
        EXCHANGES.with_borrow_mut(|exchanges| {
            let exchange = exchanges.get_mut(self.place.index).filter(|exchange| exchange.number == self.place.number);
            let request = &mut exchange?.request;
            let Head::Whole(whole) = request else { return None };
            let target = lists(|| Head::Target(whole.get_method(), whole.get_path_with_query()));
            match mem::replace(request, target) {
                Head::Whole(whole) => Some(whole),
                _ => None,
            }
        })
    }
}

impl IncomingRequest for ArrivingRequest {
    fn method(&self) -> Result<Method, RequestError> {
        convert::method_from_wasi(self.with(|request| lists(|| request.get_method()))?).map_err(RequestError::Invalid)
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
        match self.take() {
            Some(request) => {
                let body = wasi::Request::consume_body(request, abi::say_ok());
                B::incoming(ArrivingBody::new(body, declared, None), Origin::Request)
            }
            // If the body was taken before, this one is empty.
            None => B::default(),
        }
    }
}

/// Reads only the `content-length` of a request.
fn declared_length(request: &wasi::Request) -> Option<u64> {
    let values = lists(|| request.get_headers().get(header::CONTENT_LENGTH.as_str()));
    framing::declared(values.first()?)
}

/// Sends a response. If it cannot be sent, sends a 500 and logs the reason.
async fn respond<A: HandlerResult>(answer: A, place: Place) {
    let is_head = place.is_head();
    match answer.send(ToHost { is_head }).or_else(|reason| fail(&reason, is_head)) {
        Ok(None) => {}
        Ok(Some(Begun { rest, sent, finish: Some(finish) })) => finish(rest, sent).await,
        Ok(Some(Begun { rest, finish: None, .. })) => say_if_cut(rest.write().await),
        // The host refuses even the plain response 500, so no response can be sent.
        Err(reason) => log(&reason),
    }
}

fn say_if_cut(written: Result<(), Error>) {
    if let Err(error) = written
        && !error.is_closed()
    {
        log(&format!("the response was cut: {}", Chain(&error)));
    }
}

#[cold]
fn fail(reason: &str, is_head: bool) -> Sent {
    log(reason);
    let fields = with_content_type(Some(PROBLEM_JSON))?;
    let body = Bytes::from_static(INTERNAL.as_bytes());
    start_bytes(StatusCode::INTERNAL_SERVER_ERROR, fields, None, body, is_head)
}

/// The result of sending the head of a response: the rest if there is more to send, or the reason why the response
/// could not be sent.
type Sent = Result<Option<Begun>, String>;

/// A response whose head has been sent.
struct Begun {
    rest: Rest,
    sent: UntilSent,
    /// Writes the rest of a body that is not in memory.
    finish: Option<Finish>,
}

/// Sends the head of a response to the host.
struct ToHost {
    /// Whether the request is a HEAD request, whose response has no body.
    is_head: bool,
}

impl<B: MessageBody> Responder<B> for ToHost {
    type Sent = Sent;

    fn bytes(self, status: StatusCode, content_type: Option<&'static str>, body: Bytes) -> Sent {
        start_bytes(status, with_content_type(content_type)?, None, body, self.is_head)
    }

    fn bytes_and_headers(
        self,
        status: StatusCode,
        content_type: &'static str,
        headers: &dyn MoreHeaders,
        body: Bytes,
    ) -> Sent {
        let fields = with_content_type(Some(content_type))?;
        headers::append_more(&fields, headers)?;
        start_bytes(status, fields, None, body, self.is_head)
    }

    #[inline(always)]
    fn body(self, status: StatusCode, content_type: Option<&'static str>, body: B) -> Sent {
        match body.into_bytes() {
            Ok(bytes) => Responder::<B>::bytes(self, status, content_type, bytes),
            Err(body) => start_body(status, with_content_type(content_type)?, None, body, self.is_head),
        }
    }

    fn response(self, mut response: Box<Response<B>>) -> Sent {
        let body = mem::take(response.body_mut());
        let (fields, set_length) = convert::headers_into_wasi(response.headers())?;
        match body.into_bytes() {
            Ok(bytes) => start_bytes(response.status(), fields, set_length, bytes, self.is_head),
            Err(body) => start_body(response.status(), fields, set_length, body, self.is_head),
        }
    }
}

fn with_content_type(content_type: Option<&str>) -> Result<wasi::Fields, String> {
    let fields = wasi::Fields::new();
    headers::append_content_type(&fields, content_type)?;
    Ok(fields)
}

fn start_bytes(status: StatusCode, fields: wasi::Fields, set_length: Option<u64>, body: Bytes, is_head: bool) -> Sent {
    let known = Known { length: Some(body.len() as u64), has_trailers: false };
    let framing = response::write_length(&fields, status, is_head, set_length, known)?;
    let message = if framing.has_body { Message::of_bytes(body, framing.declared) } else { Message::empty() };
    let (rest, sent) = start(status, fields, message)?;
    Ok(rest.map(|rest| Begun { rest, sent, finish: None }))
}

fn start_body<B: MessageBody>(
    status: StatusCode,
    fields: wasi::Fields,
    set_length: Option<u64>,
    body: B,
    is_head: bool,
) -> Sent {
    let framing = response::write_length(&fields, status, is_head, set_length, body.known())?;
    let message = if framing.has_body {
        Message::returning(body.into_outgoing(), framing.declared)
    } else {
        drop(body);
        Message::empty()
    };
    let (rest, sent) = start(status, fields, message)?;
    Ok(rest.map(|rest| {
        let finish: Option<Finish> = match rest.origin() {
            DataOrigin::AtHand => None,
            DataOrigin::Stream => Some(|rest, sent| Box::pin(write_until_gone(rest, sent))),
            DataOrigin::Host => Some(|rest, sent| Box::pin(write_until_sent(rest, sent))),
        };
        Begun { rest, sent, finish }
    }))
}

type Finish = fn(Rest, UntilSent) -> Pin<Box<dyn Future<Output = ()>>>;

/// A future of the host that completes once the host has sent a response or has failed to send it.
type UntilSent = FutureReader<Result<(), wasi::ErrorCode>>;

/// Sends the head of a response, and hands the stream of its body to the host. Returns the unwritten rest of the
/// body, and a future that reports when the host has sent the response.
#[inline(never)]
fn start(status: StatusCode, fields: wasi::Fields, message: Message) -> Result<(Option<Rest>, UntilSent), String> {
    let Message { data, ended, rest } = message;
    let (response, sent) = wasi::Response::new(fields, data, ended);
    if status != StatusCode::OK && response.set_status_code(status.as_u16()).is_err() {
        return Err(format!("the host refused the status {}", status.as_str()));
    }
    abi::return_response(response);
    Ok((rest, sent))
}

/// Writes a body that came from the host. The host takes it back at once and sends it later. Spawned futures run until
/// the body has been sent, so this waits for it. A failure is ignored, because the host logs it.
async fn write_until_sent(rest: Rest, sent: UntilSent) {
    say_if_cut(rest.write().await);
    if !is_alone() {
        let _ = sent.await;
    }
}

/// Writes a body that the component produces, until the client is gone. Then drops the body, which ends what it waits
/// for, such as the response of an upstream. Without this, the component would notice only at its next write.
async fn write_until_gone(rest: Rest, sent: UntilSent) {
    let mut write = pin!(rest.write());
    // Boxed, because a future of the host must not be moved while it is polled.
    let mut sent = Box::pin(sent.into_future());
    let mut is_sent = false;
    let written = poll_fn(|cx| {
        if let Poll::Ready(written) = write.as_mut().poll(cx) {
            return Poll::Ready(Some(written));
        }
        if !is_sent && let Poll::Ready(result) = sent.as_mut().poll(cx) {
            is_sent = true;
            if result.is_err() {
                return Poll::Ready(None);
            }
        }
        Poll::Pending
    });
    if let Some(written) = written.await {
        say_if_cut(written);
    }
}

/// Logs a line about the current exchange on stderr.
pub(super) fn log(message: &str) {
    match target() {
        Some(target) => eprintln!("{target}: {message}"),
        None => eprintln!("{message}"),
    }
}

/// Formats method and path of the current exchange for log lines.
fn target() -> Option<String> {
    let place = AT_HAND.get()?;
    let line = EXCHANGES.try_with(|exchanges| {
        let exchanges = exchanges.try_borrow().ok()?;
        let (method, path) = match &exchanges.get(place.index)?.request {
            Head::None => return None,
            Head::Whole(request) => (request.get_method(), request.get_path_with_query()),
            Head::Target(method, path) => (method.clone(), path.clone()),
        };
        Some(format!("{} {}", convert::method_name(&method), path.as_deref().unwrap_or("/")))
    });
    line.ok().flatten()
}

/// Logs the panic and breaks off unfinished bodies, by reporting an error in place of their trailers. If no head has
/// been sent, the host responds with 500, because the task of a panicked component cannot respond.
fn on_panic(info: &PanicHookInfo<'_>) {
    log(&info.to_string());
    abi::break_all_off();
}
