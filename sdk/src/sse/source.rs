//! The events of an upstream to which the client reconnects.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use http::header::ACCEPT;
use http::{HeaderName, HeaderValue, StatusCode};

use super::{Events, ReceivedEvent};
use crate::client::{Error, RequestBuilder, ResponseExt as _};
use crate::sys::http::media_type::media_type;
use crate::sys::outbound::Kind;
use crate::time::{Sleep, sleep};
use crate::{Body, Response};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const MEDIA_TYPE: &str = "text/event-stream";
/// The default wait before a reconnect.
const RETRY: Duration = Duration::from_secs(3);
/// The longest wait before a reconnect, unless the server asks for a longer one.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The default of [`EventSource::max_reconnects`].
const MAX_RECONNECTS: u32 = 10;

impl RequestBuilder {
    /// Reads the server-sent events of the response, and reconnects whenever the response ends (WHATWG HTML, section
    /// 9.2). [`Body::events`] reads the events of one response without a reconnect.
    ///
    /// The time limit of the client does not apply, because such a response has no end; a limit set by
    /// [`timeout`](Self::timeout) applies to each connection.
    ///
    /// # Examples
    ///
    /// ```
    /// use wayside::client::{Client, Error};
    ///
    /// async fn watch() -> Result<(), Error> {
    ///     let mut prices = Client::new().get("https://prices.example.org/").event_source();
    ///     while let Some(event) = prices.next().await {
    ///         println!("{}", event?.data);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn event_source(self) -> EventSource {
        let (request, state) = match self.into_resendable() {
            Ok(request) => (Some(request.without_time_limit_of_client()), State::Disconnected),
            Err(error) => (None, State::Invalid(error)),
        };
        EventSource {
            request,
            state,
            last_event_id: String::new(),
            retry: RETRY,
            reconnects: 0,
            max_reconnects: MAX_RECONNECTS,
        }
    }
}

/// A stream of the events of an upstream, which reconnects; see [`RequestBuilder::event_source`].
///
/// A reconnect happens after the wait that the server asked for in a `retry` field, by default 3 seconds. It sends the
/// ID of the last event in the header `last-event-id`, so that the server can continue after it. The wait doubles with
/// each further reconnect without an event in between, up to 60 seconds.
///
/// The stream ends without an error if the server responds with the status 204. It ends with an error
///
/// - after 10 reconnects in a row without an event; see [`max_reconnects`](Self::max_reconnects),
/// - after a failure for which [`Error::is_transient`] is false, such as a status of 404,
/// - if a response has no `content-type: text/event-stream`,
/// - if an event exceeds the limit of [`Events::max_event_size`],
/// - if the body of the request streams, because it cannot be sent twice.
#[must_use = "streams do nothing unless polled"]
pub struct EventSource {
    /// `None` if it is invalid.
    request: Option<RequestBuilder>,
    state: State,
    last_event_id: String,
    retry: Duration,
    /// The reconnects since the last event.
    reconnects: u32,
    max_reconnects: u32,
}

type Connecting = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;

enum State {
    Invalid(Error),
    Disconnected,
    Connecting(Connecting),
    Connected(Box<Events>),
    Waiting(Sleep),
    Ended,
}

impl EventSource {
    /// Sets how often the client reconnects in a row without an event in between. The default is 10. After that, the
    /// end of a response ends the stream, and a failure ends it with its error.
    pub fn max_reconnects(mut self, most: u32) -> Self {
        self.max_reconnects = most;
        self
    }

    /// Starts after the event with this ID, as if it had been received.
    pub fn last_event_id(mut self, id: impl Into<String>) -> Self {
        self.last_event_id = id.into();
        self
    }

    /// Returns the next event, or `None` after the end.
    ///
    /// # Errors
    ///
    /// Fails in the cases that [`EventSource`] lists.
    pub async fn next(&mut self) -> Option<Result<ReceivedEvent, Error>> {
        std::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<ReceivedEvent, Error>>> {
        loop {
            let interrupted = match &mut self.state {
                State::Disconnected => {
                    self.state = self.connect().map_or(State::Ended, State::Connecting);
                    continue;
                }
                State::Connecting(connecting) => match ready!(connecting.as_mut().poll(cx)).and_then(accept) {
                    Ok(Some(body)) => {
                        let mut events = body.events();
                        events.continue_after(self.last_event_id.clone());
                        self.state = State::Connected(Box::new(events));
                        continue;
                    }
                    Ok(None) => {
                        self.state = State::Ended;
                        continue;
                    }
                    Err(error) => Err(error),
                },
                State::Connected(events) => {
                    let next = ready!(events.poll_event(cx));
                    events.last_event_id().clone_into(&mut self.last_event_id);
                    self.retry = events.retry().unwrap_or(self.retry);
                    match next {
                        Some(Ok(event)) => {
                            self.reconnects = 0;
                            return Poll::Ready(Some(Ok(event)));
                        }
                        Some(Err(error)) if error.is_too_large() => Err(Error::new(Kind::Protocol, error.to_string())),
                        Some(Err(error)) => Err(Error::new(Kind::Incomplete, error.to_string())),
                        None => Ok(()),
                    }
                }
                State::Waiting(due) => {
                    ready!(Pin::new(due).poll(cx));
                    self.state = State::Disconnected;
                    continue;
                }
                State::Invalid(_) | State::Ended => {
                    let ended = mem::replace(&mut self.state, State::Ended);
                    return Poll::Ready(if let State::Invalid(error) = ended { Some(Err(error)) } else { None });
                }
            };
            let passes = interrupted.as_ref().err().is_none_or(Error::is_transient);
            if passes && self.reconnects < self.max_reconnects {
                self.state = State::Waiting(sleep(self.wait()));
                self.reconnects += 1;
            } else {
                self.state = State::Ended;
                return Poll::Ready(interrupted.err().map(Err));
            }
        }
    }

    /// Returns the wait before the next reconnect.
    fn wait(&self) -> Duration {
        let doubled = self.retry.saturating_mul(2u32.saturating_pow(self.reconnects));
        doubled.min(LONGEST_WAIT.max(self.retry))
    }

    fn connect(&self) -> Option<Connecting> {
        let request = self.request.as_ref()?.try_clone()?;
        let mut request = request.default_header(ACCEPT, HeaderValue::from_static(MEDIA_TYPE));
        if !self.last_event_id.is_empty() {
            request = request.header(LAST_EVENT_ID, &*self.last_event_id);
        }
        Some(Box::pin(request.send()))
    }
}

/// Returns the body of an event stream, and `None` if the server asks not to reconnect.
fn accept(response: Response) -> Result<Option<Body>, Error> {
    if response.status() == StatusCode::NO_CONTENT {
        return Ok(None);
    }
    let response = response.error_for_status()?;
    let found = media_type(response.headers());
    if response.status() != StatusCode::OK || found != MEDIA_TYPE {
        let message = format!(
            "an event stream needs the status 200 and the media type `{MEDIA_TYPE}`; the response has {} and `{found}`",
            response.status().as_u16(),
        );
        return Err(response.final_url().map_or_else(
            || Error::new(Kind::Protocol, &*message),
            |url| Error::new(Kind::Protocol, &*message).with_target(url.method(), url.uri()),
        ));
    }
    Ok(Some(response.into_body()))
}

impl Stream for EventSource {
    type Item = Result<ReceivedEvent, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_event(cx)
    }
}

impl fmt::Debug for EventSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSource")
            .field("request", &self.request)
            .field("last_event_id", &self.last_event_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::client::Client;
    use crate::sys::{Here, World as _};
    use crate::test::{self, block_on, pause};
    use crate::{IntoResponse, Request};

    /// The value of `last-event-id` of each connection, and the moment in seconds after the start.
    type Connections = Arc<Mutex<Vec<(String, u64)>>>;

    /// Responds with these statuses and bodies in turn, and repeats the last one.
    fn upstream(answers: &[(u16, &'static str)]) -> (test::Outbound, Connections) {
        let (connections, start) = (Connections::default(), Here::now());
        let (seen, answers) = (Arc::clone(&connections), answers.to_vec());
        let outbound = test::outbound(move |request: Request| {
            let mut seen = seen.lock().unwrap();
            let (status, body) = answers[seen.len().min(answers.len() - 1)];
            let id = request.headers().get(LAST_EVENT_ID).map_or("", |id| id.to_str().unwrap());
            assert_eq!(request.headers()[ACCEPT], MEDIA_TYPE);
            seen.push((id.to_owned(), (Here::now() - start).as_secs()));
            let media_type = if body.starts_with('<') { "text/html" } else { "Text/Event-Stream; charset=utf-8" };
            async move { (StatusCode::from_u16(status).unwrap(), [("content-type", media_type)], body).into_response() }
        });
        (outbound, connections)
    }

    /// Reads to the end: the data of the events, and the text of the error.
    fn read(source: EventSource) -> (Vec<String>, Option<String>) {
        let mut source = source;
        let mut data = Vec::new();
        block_on(async {
            loop {
                match source.next().await {
                    Some(Ok(event)) => data.push(event.data),
                    Some(Err(error)) => {
                        assert!(source.next().await.is_none());
                        return (data, Some(error.to_string()));
                    }
                    None => return (data, None),
                }
            }
        })
    }

    fn source() -> EventSource {
        Client::new().get("http://a.test/").event_source()
    }

    #[test]
    fn it_reconnects_after_the_wait_that_the_server_asks_for_with_the_last_id() {
        let _paused = pause();
        let (_upstream, seen) = upstream(&[
            (200, "retry: 7000\nid: 1\ndata: a\n\n"),
            (200, "id: 2\ndata: b\n\nid: 3\ndata: cut"),
            (204, ""),
        ]);
        assert_eq!(read(source()), (vec!["a".to_owned(), "b".to_owned()], None));
        let expected = [(String::new(), 0), ("1".to_owned(), 7), ("3".to_owned(), 14)];
        assert_eq!(*seen.lock().unwrap(), expected);
    }

    #[test]
    fn waits_double_without_an_event_and_start_again_after_one() {
        let _paused = pause();
        let (_upstream, seen) =
            upstream(&[(503, ""), (200, ""), (502, ""), (200, "data: a\n\n"), (503, ""), (204, "")]);
        assert_eq!(read(source()), (vec!["a".to_owned()], None));
        let moments: Vec<_> = seen.lock().unwrap().iter().map(|(_, moment)| *moment).collect();
        assert_eq!(moments, [0, 3, 9, 21, 24, 30]);
    }

    #[test]
    fn it_ends_with_the_last_error_after_the_most_reconnects() {
        let _paused = pause();
        let (_upstream, seen) = upstream(&[(503, "")]);
        let (data, error) = read(source().max_reconnects(3));
        assert!(data.is_empty());
        assert_eq!(error.as_deref(), Some("GET http://a.test/: the server answered 503 Service Unavailable"));
        assert_eq!(seen.lock().unwrap().len(), 4);
    }

    #[test]
    fn without_reconnects_it_ends_with_the_response() {
        let (_upstream, seen) = upstream(&[(200, "data: a\n\n")]);
        assert_eq!(read(source().max_reconnects(0)), (vec!["a".to_owned()], None));
        assert_eq!(seen.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_failure_that_stays_ends_it_at_once() {
        for (status, body, expected) in [
            (404, "", "the server answered 404 Not Found"),
            (
                200,
                "<html>",
                "an event stream needs the status 200 and the media type `text/event-stream`; the response has 200 and `text/html`",
            ),
            (
                201,
                "",
                "an event stream needs the status 200 and the media type `text/event-stream`; the response has 201 and `text/event-stream`",
            ),
        ] {
            let (_upstream, seen) = upstream(&[(status, body)]);
            assert_eq!(read(source()), (vec![], Some(format!("GET http://a.test/: {expected}"))));
            assert_eq!(seen.lock().unwrap().len(), 1);
        }
    }

    #[test]
    fn it_can_start_after_an_event_and_post_a_body() {
        let (_upstream, seen) = upstream(&[(204, "")]);
        let request = Client::new().post("http://a.test/").body("prompt");
        assert_eq!(read(request.event_source().last_event_id("41")), (vec![], None));
        assert_eq!(*seen.lock().unwrap(), [("41".to_owned(), 0)]);
    }

    #[test]
    fn a_streaming_request_body_and_an_invalid_url_are_errors() {
        let body = Body::from_stream(futures_util::stream::iter([Ok::<_, crate::Error>("x")]));
        let (_, error) = read(Client::new().post("http://a.test/").body(body).event_source());
        let expected = "POST http://a.test/: the request cannot be sent again, because its body is a stream";
        assert_eq!(error.as_deref(), Some(expected));
        let (_, error) = read(Client::new().get("/x").event_source());
        assert!(error.unwrap().starts_with("GET /x: the URL needs a scheme"));
    }
}
