//! Server-sent events: a response that streams events, and the events of an upstream.
//!
//! [`Sse`] is the response of a handler. [`Body::events`] reads the events of one response, and [`EventSource`] those
//! of an upstream to which it reconnects.
//!
//! # Examples
//!
//! ```
//! use std::convert::Infallible;
//! use futures_util::stream;
//! use wayside::http_component;
//! use wayside::sse::{Event, Sse};
//!
//! #[http_component]
//! fn handle() -> Sse {
//!     let events = (1..=3).map(|number| Ok::<_, Infallible>(Event::new(format!("number {number}"))));
//!     Sse::new(stream::iter(events))
//! }
//! # fn main() {}
//! ```

mod reader;
mod source;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, header};
use pin_project_lite::pin_project;

use crate::time::{Sleep, sleep};
use crate::{Body, IntoResponse, Response};

pub use reader::{Events, ReceivedEvent};
pub use source::EventSource;

/// A response with a stream of events (`text/event-stream`, WHATWG HTML). Each event is sent immediately.
///
/// If the stream fails, the response is broken off. Clients then reconnect automatically. The error of the stream may
/// have any type that `?` converts to [`wayside::Error`](crate::Error), or be one.
#[derive(Debug)]
pub struct Sse {
    body: Body,
}

/// The default time without an event after which a comment is sent.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

impl Sse {
    /// Creates a response from a stream of events. Sends a comment after every 15 seconds without an event, so that
    /// proxies keep the connection open.
    pub fn new<S, E>(events: S) -> Self
    where
        S: Stream<Item = Result<Event, E>> + Send + 'static,
        E: Into<crate::Error> + 'static,
    {
        Self::with_keep_alive(events, Some(KEEP_ALIVE), Event::comment(""))
    }

    /// Creates a response from a stream of events, with its own keep-alive: whenever there has been no event for the
    /// duration `silence`, sends the event `keep_alive`, for example [`Event::comment`]. If `silence` is `None`, sends
    /// none.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use std::time::Duration;
    /// use futures_util::stream;
    /// use wayside::sse::{Event, Sse};
    ///
    /// let events = stream::iter([Ok::<_, Infallible>(Event::new("hello"))]);
    /// let ping = Event::new("").event("ping");
    /// let answer = Sse::with_keep_alive(events, Some(Duration::from_secs(60)), ping);
    /// # let _: Sse = answer;
    /// ```
    pub fn with_keep_alive<S, E>(events: S, silence: Option<Duration>, keep_alive: Event) -> Self
    where
        S: Stream<Item = Result<Event, E>> + Send + 'static,
        E: Into<crate::Error> + 'static,
    {
        let keep_alive = keep_alive.into_bytes();
        Self { body: Body::from_stream(Lines { events, silence, keep_alive, due: None }) }
    }
}

impl IntoResponse for Sse {
    fn into_response(self) -> Response {
        let mut response = Response::new(self.body);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }
}

/// A server-sent event, or a comment, which clients ignore.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use wayside::sse::Event;
///
/// let event = Event::new("two\nlines").event("note").id("7").retry(Duration::from_secs(2));
/// # let _: Event = event;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    lines: String,
}

impl Event {
    /// Creates an event with data, which may have several lines.
    #[must_use]
    pub fn new(data: impl AsRef<str>) -> Self {
        let mut event = Self::empty();
        event.push_lines("data", data.as_ref());
        event
    }

    /// Creates an event without data. With only [`id`](Self::id) or [`retry`](Self::retry), clients take over these
    /// values and dispatch no event (WHATWG HTML, section 9.2.6). Clients also dispatch no event that has a type and no
    /// data; `Event::new("")` has data, which is empty.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use wayside::sse::Event;
    ///
    /// let start = Event::empty().id("7").retry(Duration::from_secs(2));
    /// # let _: Event = start;
    /// ```
    #[must_use]
    pub const fn empty() -> Self {
        Self { lines: String::new() }
    }

    /// Creates a comment, which may have several lines. Clients ignore comments. They keep a connection open, and help
    /// people who read the stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use wayside::sse::Event;
    ///
    /// let event = Event::comment("still working");
    /// # let _: Event = event;
    /// ```
    #[must_use]
    pub fn comment(text: impl AsRef<str>) -> Self {
        let mut event = Self::empty();
        event.push_lines("", text.as_ref());
        event
    }

    /// Sets the type of the event (the field `event`). Clients use `message` by default. Line breaks are removed.
    #[must_use]
    pub fn event(mut self, event: impl AsRef<str>) -> Self {
        self.push("event", &one_line(event.as_ref()));
        self
    }

    /// Sets the ID of the event. A client that reconnects sends this ID in the header `last-event-id`. Line breaks
    /// and NUL are removed.
    #[must_use]
    pub fn id(mut self, id: impl AsRef<str>) -> Self {
        self.push("id", &one_line(id.as_ref()).replace('\0', ""));
        self
    }

    /// Sets how long the client waits before it reconnects, rounded down to milliseconds.
    #[must_use]
    pub fn retry(mut self, after: Duration) -> Self {
        self.push("retry", &after.as_millis().to_string());
        self
    }

    /// Adds a field for each line of `text`. Clients treat CRLF, LF and CR as line breaks.
    fn push_lines(&mut self, field: &str, text: &str) {
        for line in text.replace("\r\n", "\n").split(['\n', '\r']) {
            self.push(field, line);
        }
    }

    /// Adds a field. A field without a name is a comment.
    fn push(&mut self, field: &str, value: &str) {
        let separator = if value.is_empty() { ":" } else { ": " };
        for part in [field, separator, value, "\n"] {
            self.lines.push_str(part);
        }
    }

    fn into_bytes(mut self) -> Bytes {
        self.lines.push('\n');
        self.lines.into()
    }
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], "")
}

pin_project! {
    struct Lines<S> {
        #[pin]
        events: S,
        silence: Option<Duration>,
        keep_alive: Bytes,
        due: Option<Sleep>,
    }
}

impl<S, E> Stream for Lines<S>
where
    S: Stream<Item = Result<Event, E>>,
{
    type Item = Result<Bytes, E>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        if let Poll::Ready(event) = this.events.poll_next(cx) {
            *this.due = None;
            return Poll::Ready(event.map(|event| event.map(Event::into_bytes)));
        }
        let Some(silence) = *this.silence else {
            return Poll::Pending;
        };
        let due = this.due.get_or_insert_with(|| sleep(silence));
        if Pin::new(due).poll(cx).is_pending() {
            return Poll::Pending;
        }
        *this.due = None;
        Poll::Ready(Some(Ok(this.keep_alive.clone())))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{StreamExt as _, stream};

    use super::*;
    use crate::test::{block_on, pause};

    #[test]
    fn an_event_has_a_line_for_each_part_and_each_line_of_data() {
        let event = Event::new("one\ntwo\r\nthree").event("note\n").id("7").retry(Duration::from_secs(2));
        let expected = "data: one\ndata: two\ndata: three\nevent: note\nid: 7\nretry: 2000\n\n";
        assert_eq!(event.into_bytes(), expected);
    }

    #[test]
    fn data_cannot_smuggle_another_field_in() {
        assert_eq!(Event::new("a\rid: 1").into_bytes(), "data: a\ndata: id: 1\n\n");
    }

    #[test]
    fn silence_is_broken_by_a_comment() {
        let _paused = pause();
        block_on(async {
            let late = async {
                sleep(Duration::from_secs(20)).await;
                Ok::<_, Infallible>(Event::new("late"))
            };
            let mut body = Sse::new(stream::once(late)).into_response().into_body();
            assert_eq!(body.next_chunk().await.unwrap().unwrap(), ":\n\n");
            assert_eq!(body.next_chunk().await.unwrap().unwrap(), "data: late\n\n");
            assert!(body.next_chunk().await.is_none());
        });
    }

    #[test]
    fn without_keep_alive_there_are_events_only() {
        let events = stream::iter(1..=2).map(|number| Ok::<_, Infallible>(Event::new(number.to_string())));
        let body = Sse::with_keep_alive(events, None, Event::empty()).into_response().into_body();
        assert_eq!(block_on(body.text()).unwrap(), "data: 1\n\ndata: 2\n\n");
    }

    #[test]
    fn a_comment_has_a_colon_before_each_line() {
        assert_eq!(Event::comment("one\ntwo").into_bytes(), ": one\n: two\n\n");
        assert_eq!(Event::comment("").into_bytes(), ":\n\n");
    }

    #[test]
    fn an_event_without_data_has_only_its_other_fields() {
        assert_eq!(Event::empty().id("7").into_bytes(), "id: 7\n\n");
        assert_eq!(Event::new("").event("ping").into_bytes(), "data:\nevent: ping\n\n");
    }

    #[test]
    fn the_keep_alive_may_be_an_event() {
        let _paused = pause();
        block_on(async {
            let silence = Some(Duration::from_secs(5));
            let events = stream::pending::<Result<Event, Infallible>>();
            let mut body =
                Sse::with_keep_alive(events, silence, Event::new("").event("ping")).into_response().into_body();
            for _ in 0..2 {
                assert_eq!(body.next_chunk().await.unwrap().unwrap(), "data:\nevent: ping\n\n");
            }
        });
    }

    #[test]
    fn the_error_of_a_stream_may_be_the_error_of_a_handler() {
        let events = stream::iter([Ok(Event::new("one")), Err(crate::Error::from("the model is gone"))]);
        let mut body = Sse::new(events).into_response().into_body();
        assert_eq!(block_on(body.next_chunk()).unwrap().unwrap(), "data: one\n\n");
        let error = block_on(body.next_chunk()).unwrap().unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(source.as_deref(), Some("the model is gone"));
    }
}
