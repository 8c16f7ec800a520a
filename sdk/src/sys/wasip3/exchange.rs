//! One request and its answer.
//!
//! Several exchanges can be in flight in an instance. Each has a place in one table, where log lines find what they are
//! about; the place of the exchange that runs is known.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::mem;
use std::panic::PanicHookInfo;
use std::pin::{Pin, pin};
use std::task::Poll;

use http::{HeaderMap, Method, StatusCode, Uri, header};
use wit_bindgen::rt::async_support::FutureReader;

use super::bindings::wasi::http::types as wasi;
use super::imports::HeadsOfWorld;
use super::incoming::IncomingBody;
use super::outgoing::{Message, Rest};
use super::{abi, convert, lists};
use crate::error::{self, Error};
use crate::respond::Answer;
use crate::sys::abi::head;
use crate::sys::http::{framing, headers};
use crate::sys::panic_hook;
use crate::{Body, Request, Response, task};

thread_local! {
    static EXCHANGES: RefCell<Vec<Exchange>> = const { RefCell::new(Vec::new()) };
    /// The place of the exchange that runs.
    static AT_HAND: Cell<Option<Place>> = const { Cell::new(None) };
}

/// Where an exchange is in the table.
#[derive(Clone, Copy)]
struct Place {
    index: usize,
    /// Tells an exchange from another that had the place before.
    number: u32,
}

/// An exchange in flight, or the place that one left.
#[derive(Default)]
struct Exchange {
    number: u32,
    request: Head,
}

/// What is known of the request.
#[derive(Default)]
enum Head {
    #[default]
    None,
    /// All of it, in the hands of the host.
    Whole(wasi::Request),
    /// What is kept when the body has been taken.
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

/// Handles one request to its end: the handler, the response with its body, the futures spawned beside.
pub(super) fn serve<F: Future<Output = Answer>>(
    request: wasi::Request,
    handler: impl FnOnce(crate::IncomingRequest) -> F + 'static,
) -> u32 {
    panic_hook::install(on_panic);
    let place = begin(request);
    abi::start(async move {
        let exchange = pin!(task::run(async move {
            let request = IncomingRequest { place, declared: Cell::new(None) };
            let mut answer = pin!(handler(crate::IncomingRequest::new(request)));
            let answer = poll_fn(|cx| match answer.as_mut().poll(cx) {
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
    // Dropped when the table is free again: that calls the host.
    let exchange = EXCHANGES
        .with_borrow_mut(|exchanges| exchanges.get_mut(place.index).map(|exchange| mem::take(&mut exchange.request)));
    drop(exchange);
}

/// The request of an exchange: a token for what the exchange holds.
pub(crate) struct IncomingRequest {
    place: Place,
    /// The length of the body, once the fields have been read, where they tell it.
    declared: Cell<Option<Option<u64>>>,
}

impl IncomingRequest {
    fn with<R>(&self, read: impl FnOnce(&wasi::Request) -> R) -> Result<R, Error> {
        let read = EXCHANGES.with_borrow(|exchanges| {
            let exchange = exchanges.get(self.place.index).filter(|exchange| exchange.number == self.place.number);
            match exchange.map(|exchange| &exchange.request) {
                Some(Head::Whole(request)) => Some(read(request)),
                _ => None,
            }
        });
        read.ok_or_else(gone)
    }

    /// Takes the request out of the exchange, and leaves there what log lines need.
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

fn gone() -> Error {
    Error::new(StatusCode::INTERNAL_SERVER_ERROR, "a request was kept beyond its exchange")
}

impl crate::sys::IncomingRequest for IncomingRequest {
    fn method(&self) -> Result<Method, Error> {
        convert::method_from_wasi(self.with(|request| lists(|| request.get_method()))?).map_err(head::bad_request)
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
        match self.take() {
            Some(request) => {
                let body = wasi::Request::consume_body(request, abi::say_ok());
                Body::incoming(IncomingBody::new(body, declared, None))
            }
            // A body that was taken before has nothing left.
            None => Body::empty(),
        }
    }
}

/// The length that the fields of a request declare, without reading the others.
fn declared_length(request: &wasi::Request) -> Option<u64> {
    let values = lists(|| request.get_headers().get(header::CONTENT_LENGTH.as_str()));
    framing::declared(values.first()?)
}

/// How the host came to the end of a response.
type Sent = FutureReader<Result<(), wasi::ErrorCode>>;

/// A response that was begun, and what remains to be written of it.
type Begun = Option<(Rest, Sent)>;

/// How what is more than bytes with a media type is sent.
pub(crate) struct Sending {
    /// Begins a response whose fields are those of a map; its body is left out if it answers HEAD.
    response: fn(Box<Response>, bool) -> Result<Begun, String>,
    /// Makes the message of a body that may go back to where it came from, and is to declare a length.
    body: fn(Body, Option<u64>) -> Message,
    /// Waits until the host has sent a response.
    until_sent: fn(Sent) -> Pin<Box<dyn Future<Output = ()>>>,
}

pub(super) const SENDING: Sending =
    Sending { response: start_whole, body: Message::returning, until_sent: |sent| Box::pin(until_sent(sent)) };

/// Sends an answer. What cannot be sent as it is becomes a 500 and a log line.
async fn respond(answer: Answer, place: Place) {
    let is_head = EXCHANGES.with_borrow(|exchanges| {
        let method = exchanges.get(place.index).and_then(|exchange| exchange.request.method());
        matches!(method, Some(wasi::Method::Head))
    });
    let begun = begin_answer(answer, is_head).or_else(|reason| {
        log(&reason);
        let fields = with_content_type(Some(error::PROBLEM_JSON))?;
        start(StatusCode::INTERNAL_SERVER_ERROR, fields, None, Body::from(error::INTERNAL), is_head)
    });
    match begun {
        Ok(None) => {}
        Ok(Some((rest, sent))) => {
            let is_handed_on = rest.is_handed_on();
            if let Err(error) = rest.write().await
                && !error.is_closed()
            {
                log(&format!("the response was cut: {}", error::Chain(&error)));
            }
            // The host takes a body of its own back at once, and sends it when it likes. What runs beside goes on meanwhile.
            if is_handed_on && let Some(sending) = task::sending() {
                (sending.until_sent)(sent).await;
            }
        }
        // The host refuses even a plain response: it is gone.
        Err(reason) => log(&reason),
    }
}

fn begin_answer(answer: Answer, is_head: bool) -> Result<Begun, String> {
    match answer {
        Answer::Body { status, content_type, body } => {
            start(status, with_content_type(content_type)?, None, body, is_head)
        }
        Answer::Response(response) => match response.body().sending() {
            Some(sending) => (sending.response)(response, is_head),
            None => Err("the response was made for another world".to_owned()),
        },
    }
}

fn with_content_type(content_type: Option<&str>) -> Result<wasi::Fields, String> {
    let fields = wasi::Fields::new();
    if let Some(content_type) = content_type {
        headers::append(&fields, "content-type", content_type.as_bytes())?;
    }
    Ok(fields)
}

#[expect(clippy::boxed_local, reason = "it comes in a box, and would be moved out of it first")]
fn start_whole(mut response: Box<Response>, is_head: bool) -> Result<Begun, String> {
    let body = mem::take(response.body_mut());
    let (fields, set_length) = convert::headers_into_wasi(response.headers())?;
    start(response.status(), fields, set_length, body, is_head)
}

/// Sends the head, and the body where that is in the hands of the host.
fn start(
    status: StatusCode,
    fields: wasi::Fields,
    set_length: Option<u64>,
    body: Body,
    is_head: bool,
) -> Result<Begun, String> {
    let framing = framing::of_response(status, is_head, set_length, body.known())?;
    headers::set_length(&fields, framing.header)?;
    let message = if framing.has_body {
        match body.into_bytes_or() {
            Ok(bytes) => Message::of_bytes(bytes, framing.declared),
            Err((sending, body)) => (sending.body)(body, framing.declared),
        }
    } else {
        drop(body);
        Message::empty()
    };
    let Message { data, ended, rest } = message;
    let (response, sent) = wasi::Response::new(fields, data, ended);
    if status != StatusCode::OK && response.set_status_code(status.as_u16()).is_err() {
        return Err(format!("the host refused the status {}", status.as_str()));
    }
    abi::return_response(response);
    Ok(rest.map(|rest| (rest, sent)))
}

/// Waits for the host's word on a response; whatever it says, nobody here can do anything about it.
async fn until_sent(sent: Sent) {
    let _ = sent.await;
}

/// Writes a line about the exchange at hand to stderr.
pub(super) fn log(message: &str) {
    match target() {
        Some(target) => eprintln!("{target}: {message}"),
        None => eprintln!("{message}"),
    }
}

/// Method and path of the exchange at hand, as they stand in log lines.
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

/// Breaks off the bodies of which a part has been sent, by their trailers. A panic before the head is answered by the host,
/// with 500, because a task that the host drops cannot answer.
fn on_panic(info: &PanicHookInfo<'_>) {
    log(&info.to_string());
    abi::break_all_off();
}
