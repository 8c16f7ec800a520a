//! Outgoing bodies.

use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;

use bytes::Bytes;
use http::HeaderMap;
use wit_bindgen::rt::async_support::{FutureReader, StreamReader};

use super::abi::{Ending, Sink};
use super::convert;
use super::incoming::{ArrivingBody, Ended};
use crate::sys::body::{Error, IncomingBody as _, Outgoing, OutgoingData};
use crate::sys::http::length::Remaining;

/// A new message: the parts that the host gets, and the rest that the component has yet to write.
pub(super) struct Message {
    /// `None` if the message has no data.
    pub(super) data: Option<StreamReader<u8>>,
    pub(super) ended: FutureReader<Ended>,
    /// `None` if the component has nothing left to write.
    pub(super) rest: Option<Rest>,
}

/// The unwritten rest of a message. Dropping it breaks the message off.
///
/// The value contains the future that writes the rest, so that a component contains code only for the kinds of bodies
/// that it sends. This future is boxed even for bytes, because the futures that contain a `Rest` are moved, and would
/// otherwise grow by its size.
pub(super) struct Rest {
    origin: Origin,
    write: Pin<Box<dyn Future<Output = Result<(), Error>>>>,
}

/// The place of a message's data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// In memory.
    AtHand,
    /// Produced by the component while it writes the message.
    Stream,
    /// In the host.
    Host,
}

impl Message {
    /// Makes a message without data.
    pub(super) fn empty() -> Self {
        let (ending, ended) = Ending::new();
        ending.finish(None);
        Self { data: None, ended, rest: None }
    }

    /// Makes a message of bytes.
    pub(super) fn of_bytes(bytes: Bytes, declared: Option<u64>) -> Self {
        let (output, ending, message) = Self::begin(declared);
        Self { rest: Some(Rest::new(Origin::AtHand, write_bytes(ending, output, bytes))), ..message }
    }

    /// Makes a message from a body of any kind. An incoming body that has not been read is handed back to the host.
    pub(super) fn new(body: Outgoing, declared: Option<u64>) -> Self {
        let Outgoing { data, trailers } = body;
        let data = match (data, &trailers) {
            (OutgoingData::Bytes(bytes), None) => return Self::of_bytes(bytes, declared),
            (OutgoingData::Incoming(incoming), None) => match incoming.into_parts() {
                Ok((data, ended)) => return Self { data: Some(data), ended, rest: None },
                Err(incoming) => OutgoingData::Incoming(incoming),
            },
            (data, _) => data,
        };
        let origin = if matches!(data, OutgoingData::Bytes(_)) { Origin::AtHand } else { Origin::Stream };
        let (output, ending, message) = Self::begin(declared);
        Self { rest: Some(Rest::new(origin, write(ending, output, data, trailers))), ..message }
    }

    /// Makes a message that may go to the component from which its body came.
    ///
    /// The component model traps if a component reads a future that it wrote itself. This would happen to middleware
    /// whose next handler returns the request body as the response body, together with the future that reports the
    /// end of the body. So the next handler reports the end through a new future.
    pub(super) fn returning(body: Outgoing, declared: Option<u64>) -> Self {
        let message = Self::new(body, declared);
        if message.rest.is_some() {
            return message;
        }
        let (ending, ended) = Ending::new();
        Self { data: message.data, ended, rest: Some(Rest::new(Origin::Host, end(ending, message.ended))) }
    }

    fn begin(declared: Option<u64>) -> (Output, Ending, Self) {
        let (sink, data) = Sink::new();
        let (ending, ended) = Ending::new();
        (
            Output { sink, left: Remaining::new(declared), last: Bytes::new() },
            ending,
            Self { data: Some(data), ended, rest: None },
        )
    }
}

impl Rest {
    fn new(origin: Origin, write: impl Future<Output = Result<(), Error>> + 'static) -> Self {
        Self { origin, write: Box::pin(write) }
    }

    /// Whether all of the body is in memory.
    pub(super) fn is_at_hand(&self) -> bool {
        self.origin == Origin::AtHand
    }

    pub(super) fn origin(&self) -> Origin {
        self.origin
    }

    /// Writes the rest of the body and ends the message.
    pub(super) fn write(self) -> impl Future<Output = Result<(), Error>> {
        self.write
    }
}

/// Ends a message in the same way as the body that it passes on: with the body's trailers, or by breaking off.
async fn end(ending: Ending, ended: FutureReader<Ended>) -> Result<(), Error> {
    match ended.await {
        Ok(trailers) => ending.finish(trailers),
        // Dropping it breaks the message off.
        Err(_) => drop(ending),
    }
    Ok(())
}

// Both functions below have `ending` as their first argument. Rust drops arguments from the last to the first, so the
// stream ends before the end of the message is reported.

/// Writes a body of bytes. Their number must be the declared length, if one is declared.
async fn write_bytes(ending: Ending, mut output: Output, bytes: Bytes) -> Result<(), Error> {
    output.put(bytes).await?;
    drop(output);
    ending.finish(None);
    Ok(())
}

/// Writes a body of any kind.
async fn write(
    ending: Ending,
    mut output: Output,
    data: OutgoingData,
    trailers: Option<Box<HeaderMap>>,
) -> Result<(), Error> {
    let trailers = match data {
        OutgoingData::Bytes(bytes) => {
            output.write(bytes).await?;
            trailers
        }
        OutgoingData::Incoming(mut incoming) => {
            output.write_incoming(&mut incoming).await?;
            // The trailers of an incoming body pass through as host resources. If the user adds trailers, the body
            // becomes a `Stream` and does not get here.
            let received = poll_fn(|cx| incoming.poll_fields(cx)).await?;
            output.finish().await?;
            ending.finish(received);
            return Ok(());
        }
        OutgoingData::Stream(mut body) => {
            let mut trailers = trailers;
            while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
                match frame?.into_data() {
                    Ok(bytes) => output.write(bytes).await?,
                    Err(frame) => trailers = frame.into_trailers().ok().map(Box::new),
                }
            }
            trailers
        }
    };
    let trailers = trailers.map(|trailers| convert::headers_into_wasi(&trailers).map(|(fields, _)| fields));
    let trailers = trailers.transpose().map_err(Error::trailers)?;
    output.finish().await?;
    ending.finish(trailers);
    Ok(())
}

/// The data stream of a message, and the rest of its declared length.
pub(super) struct Output {
    sink: Sink,
    left: Remaining,
    /// The piece that completes the declared length. It is written after the body has ended normally, because peers
    /// take its last byte for the end of the message.
    last: Bytes,
}

impl Output {
    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.left.count(bytes.len() as u64)?;
        if self.left.is_complete() {
            if !bytes.is_empty() {
                self.last = bytes;
            }
            return Ok(());
        }
        self.put(bytes).await
    }

    async fn put(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.sink.set(bytes);
        poll_fn(|cx| self.sink.poll_flush(cx)).await.map_err(|_| Error::closed())
    }

    async fn write_incoming(&mut self, incoming: &mut ArrivingBody) -> Result<(), Error> {
        while let Some(bytes) = poll_fn(|cx| incoming.poll_data(cx)).await {
            self.write(bytes?).await?;
        }
        Ok(())
    }

    /// Checks the length of the data, and writes the last piece if it was held back.
    async fn finish(mut self) -> Result<(), Error> {
        self.left.finish()?;
        if !self.last.is_empty() {
            let last = mem::take(&mut self.last);
            self.put(last).await?;
        }
        Ok(())
    }
}
