//! Reading server-sent events from a body.

use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;

use super::Event;
use crate::Body;
use crate::body::Error;

/// The default of [`Events::max_event_size`].
const MAX_EVENT_SIZE: usize = 1 << 20;

/// An event that was received from an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivedEvent {
    /// The type of the event, by default `message`.
    pub event: String,
    /// The data. Several `data` lines are joined with `\n`.
    pub data: String,
    /// The ID of this event or, if it has none, of the last event before it that had one. Empty if none had.
    pub id: String,
    /// How long the server asked to wait before a reconnect, if it did so together with this event.
    pub retry: Option<Duration>,
}

/// Turns a received event into one that a handler sends on.
impl From<ReceivedEvent> for Event {
    fn from(received: ReceivedEvent) -> Self {
        let ReceivedEvent { event, data, id, retry } = received;
        let mut sent = Self::new(data);
        if event != "message" {
            sent = sent.event(event);
        }
        if !id.is_empty() {
            sent = sent.id(id);
        }
        match retry {
            Some(retry) => sent.retry(retry),
            None => sent,
        }
    }
}

impl Body {
    /// Reads the body as server-sent events (`text/event-stream`; WHATWG HTML, section 9.2), however its pieces are cut.
    ///
    /// Each event is available as soon as its last byte has arrived. Comments and events without data are skipped, as
    /// is an event at the end that is not followed by an empty line. [`sse::EventSource`](super::EventSource) reads a
    /// stream that reconnects.
    ///
    /// # Examples
    ///
    /// A handler that relays the events of an upstream:
    ///
    /// ```
    /// use futures_util::TryStreamExt as _;
    /// use wayside::client::{Client, ResponseExt as _};
    /// use wayside::sse::{Event, Sse};
    /// use wayside::{Body, Error};
    ///
    /// async fn handle(prompt: Body) -> Result<Sse, Error> {
    ///     let client = Client::builder().no_timeout().build();
    ///     let response = client.post("https://llm.example/v1/chat").body(prompt).send().await?.error_for_status()?;
    ///     Ok(Sse::new(response.into_body().events().map_ok(Event::from)))
    /// }
    /// ```
    pub fn events(self) -> Events {
        Events { body: Some(self), parser: Parser::default(), failure: None, max_event_size: MAX_EVENT_SIZE }
    }
}

/// A stream of the events in a body; see [`Body::events`].
///
/// After an error, the stream ends.
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Events {
    /// `None` after the end and after an error.
    body: Option<Body>,
    parser: Parser,
    /// The error to return after the events that arrived before it.
    failure: Option<Error>,
    max_event_size: usize,
}

impl Events {
    /// Limits the size of an event, in bytes. The default is 1 MiB. A larger event is an error
    /// ([`is_too_large`](Error::is_too_large)), so that an upstream cannot exhaust the memory.
    pub fn max_event_size(mut self, limit: usize) -> Self {
        self.max_event_size = limit;
        self
    }

    /// Returns the next event, or `None` at the end of the body.
    ///
    /// # Errors
    ///
    /// Fails if the body breaks off, and if an event is too large.
    ///
    /// # Examples
    ///
    /// ```
    /// # wayside::test::block_on(async {
    /// use wayside::Body;
    ///
    /// let mut events = Body::from("event: note\ndata: one\n\ndata: two\n\n").events();
    /// let first = events.next().await.transpose()?.unwrap();
    /// assert_eq!((&*first.event, &*first.data), ("note", "one"));
    /// assert_eq!(events.next().await.transpose()?.unwrap().data, "two");
    /// assert!(events.next().await.is_none());
    /// # Ok::<(), wayside::body::Error>(()) }).unwrap();
    /// ```
    pub async fn next(&mut self) -> Option<Result<ReceivedEvent, Error>> {
        std::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Returns the ID of the last event that had one, or an empty string.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        &self.parser.last_id
    }

    /// Returns how long the server last asked to wait before a reconnect.
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.parser.retry
    }

    /// Continues after the last event of another connection.
    pub(super) fn continue_after(&mut self, last_event_id: String) {
        self.parser.last_id = last_event_id;
    }

    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<ReceivedEvent, Error>>> {
        loop {
            if let Some(event) = self.parser.events.pop_front() {
                return Poll::Ready(Some(Ok(event)));
            }
            if let Some(error) = self.failure.take() {
                return Poll::Ready(Some(Err(error)));
            }
            let Some(body) = &mut self.body else { return Poll::Ready(None) };
            let read = match ready!(body.poll_data(cx)) {
                Some(Ok(chunk)) => match self.parser.read(&chunk, self.max_event_size) {
                    Ok(()) => continue,
                    Err(TooLarge) => Err(Error::event_too_large(self.max_event_size)),
                },
                Some(Err(error)) => Err(error),
                None => Ok(()),
            };
            self.body = None;
            self.failure = read.err();
        }
    }
}

impl Stream for Events {
    type Item = Result<ReceivedEvent, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_event(cx)
    }
}

struct TooLarge;

/// Interprets an event stream (WHATWG HTML, section 9.2.6).
#[derive(Debug, Default)]
struct Parser {
    /// The events that are complete and not yet returned.
    events: VecDeque<ReceivedEvent>,
    /// The start of the line whose end has not arrived.
    line: Vec<u8>,
    /// Whether the last byte was a CR, so that a LF belongs to the same line break.
    after_cr: bool,
    /// Whether the first line, which may start with a byte order mark, is over.
    after_first_line: bool,
    event: String,
    data: String,
    last_id: String,
    retry: Option<Duration>,
    /// The value of a `retry` field of the current event.
    event_retry: Option<Duration>,
}

impl Parser {
    fn read(&mut self, chunk: &[u8], max_event_size: usize) -> Result<(), TooLarge> {
        let mut rest = chunk;
        if mem::take(&mut self.after_cr) && rest.first() == Some(&b'\n') {
            rest = rest.get(1..).unwrap_or_default();
        }
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (line, break_and_rest) = rest.split_at(end);
            self.check_size(line.len(), max_event_size)?;
            if self.line.is_empty() {
                self.end_line(line);
            } else {
                let mut whole = mem::take(&mut self.line);
                whole.extend_from_slice(line);
                self.end_line(&whole);
            }
            rest = match break_and_rest {
                [b'\r'] => {
                    self.after_cr = true;
                    &[]
                }
                [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
                [] => &[],
            };
        }
        self.check_size(rest.len(), max_event_size)?;
        self.line.extend_from_slice(rest);
        Ok(())
    }

    /// Checks the size of the event that the next `added` bytes continue.
    fn check_size(&self, added: usize, most: usize) -> Result<(), TooLarge> {
        let size = self.line.len() + self.event.len() + self.data.len() + added;
        if size > most { Err(TooLarge) } else { Ok(()) }
    }

    fn end_line(&mut self, mut line: &[u8]) {
        if !mem::replace(&mut self.after_first_line, true) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            return self.end_event();
        }
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => {
                let (name, value) = line.split_at(colon);
                let value = value.strip_prefix(b":").unwrap_or(value);
                (name, value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &b""[..]),
        };
        let value = String::from_utf8_lossy(value);
        match name {
            b"event" => self.event = value.into_owned(),
            b"data" => {
                self.data.push_str(&value);
                self.data.push('\n');
            }
            b"id" if !value.contains('\0') => self.last_id = value.into_owned(),
            b"retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.event_retry = value.parse().ok().map(Duration::from_millis);
                self.retry = self.event_retry.or(self.retry);
            }
            // Comments, whose name is empty, and unknown fields.
            _ => {}
        }
    }

    /// Dispatches the event, unless it has no data.
    fn end_event(&mut self) {
        let (event, mut data, retry) = (mem::take(&mut self.event), mem::take(&mut self.data), self.event_retry.take());
        // Each `data` line ended with a line feed. Without such a line there is no data, not even empty data.
        if data.pop().is_none() {
            return;
        }
        let event = if event.is_empty() { "message".to_owned() } else { event };
        self.events.push_back(ReceivedEvent { event, data, id: self.last_id.clone(), retry });
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;
    use crate::test::block_on;

    /// Reads the events of a body in these pieces, as far as they come before an error.
    fn events(pieces: Vec<&'static str>) -> Vec<ReceivedEvent> {
        let body = Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, crate::Error>)));
        let mut events = body.events();
        let mut read = Vec::new();
        block_on(async {
            while let Some(Ok(event)) = events.next().await {
                read.push(event);
            }
        });
        read
    }

    fn data(pieces: Vec<&'static str>) -> Vec<String> {
        events(pieces).into_iter().map(|event| event.data).collect()
    }

    #[test]
    fn an_event_has_its_fields() {
        let read = events(vec!["event: note\ndata: one\ndata:two\nid: 7\nretry: 2500\n\n"]);
        let expected = ReceivedEvent {
            event: "note".into(),
            data: "one\ntwo".into(),
            id: "7".into(),
            retry: Some(Duration::from_millis(2500)),
        };
        assert_eq!(read, [expected]);
    }

    #[test]
    fn events_are_the_same_however_the_body_is_cut() {
        let text = "\u{feff}data: one\r\ndata: zw\u{f6}lf\r\n\r\nid: 1\rdata\r\r: comment\n\nevent: x\ndata:  two \n\n";
        let whole = events(vec![text]);
        assert_eq!(whole.iter().map(|event| &*event.data).collect::<Vec<_>>(), ["one\nzw\u{f6}lf", "", " two "]);
        for size in 1..text.len() {
            let pieces: Vec<Vec<u8>> = text.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
            let body = Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, crate::Error>)));
            let mut cut = body.events();
            for expected in &whole {
                assert_eq!(block_on(cut.next()).unwrap().unwrap(), *expected, "pieces of {size} bytes");
            }
            assert!(block_on(cut.next()).is_none());
        }
    }

    #[test]
    fn an_event_arrives_with_its_last_byte() {
        let (mut sender, body) = Body::channel();
        let mut events = body.events();
        block_on(async {
            let send = async {
                sender.send("data: one\n\r\ndata: t").await.unwrap();
                sender
            };
            let (_sender, first) = futures_util::join!(send, events.next());
            assert_eq!(first.unwrap().unwrap().data, "one");
        });
    }

    #[test]
    fn the_examples_of_the_standard_are_read_as_it_says() {
        assert_eq!(data(vec!["data: YHOO\ndata: +2\ndata: 10\n\n"]), ["YHOO\n+2\n10"]);
        let read =
            events(vec![": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n"]);
        assert_eq!(read.len(), 2);
        assert_eq!((&*read[0].data, &*read[0].id), ("first event", "1"));
        assert_eq!((&*read[1].data, &*read[1].id), ("second event", ""));
        assert_eq!(data(vec!["data\n\ndata\ndata\n\ndata:"]), ["", "\n"]);
        assert_eq!(data(vec!["data:test\n\ndata: test\n\n"]), ["test", "test"]);
    }

    #[test]
    fn invalid_fields_are_ignored() {
        let read = events(vec!["id: 1\u{0}\nretry: 1s\nretry:\nretry: +1\ncolor: red\ndata: x\n\n"]);
        assert_eq!((&*read[0].id, read[0].retry, &*read[0].event), ("", None, "message"));
    }

    #[test]
    fn an_id_lasts_and_a_retry_does_not() {
        let read = events(vec!["id: 1\nretry: 5\ndata: a\n\ndata: b\n\n"]);
        assert_eq!((&*read[1].id, read[1].retry), ("1", None));
    }

    #[test]
    fn a_body_that_breaks_off_is_an_error_after_the_events_that_arrived() {
        let pieces = [Ok("data: one\n\ndata: tw"), Err(crate::Error::from("gone"))];
        let mut events = Body::from_stream(stream::iter(pieces)).events();
        block_on(async {
            assert_eq!(events.next().await.unwrap().unwrap().data, "one");
            assert!(events.next().await.unwrap().is_err());
            assert!(events.next().await.is_none());
        });
    }

    #[test]
    fn an_event_beyond_the_limit_is_an_error_in_one_piece_and_in_many() {
        for pieces in [vec!["data: ok\n\ndata: 123456\n\n"], vec!["data: ok\n\n", "data: 12", "3456"]] {
            let body = Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, crate::Error>)));
            let mut events = body.events().max_event_size(10);
            block_on(async {
                assert_eq!(events.next().await.unwrap().unwrap().data, "ok");
                let error = events.next().await.unwrap().unwrap_err();
                assert!(error.is_too_large());
                assert_eq!(error.to_string(), "an event is longer than its limit of 10 bytes");
                assert!(events.next().await.is_none());
            });
        }
    }

    #[test]
    fn a_relayed_event_is_the_received_one() {
        let text = "data: one\ndata: two\nevent: note\nid: 7\nretry: 2000\n\n";
        let received = events(vec![text]).remove(0);
        assert_eq!(Event::from(received).into_bytes(), text);
        assert_eq!(Event::from(events(vec!["data: x\n\n"]).remove(0)).into_bytes(), "data: x\n\n");
    }
}
