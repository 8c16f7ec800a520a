//! Bodies that are sent.

use std::future::poll_fn;
use std::mem;

use bytes::Bytes;
use http::HeaderMap;
use wit_bindgen::rt::async_support::{FutureReader, StreamReader};

use super::abi::{Ending, Sink};
use super::convert;
use super::incoming::{Ended, IncomingBody};
use crate::body::{Error, Outgoing};

/// The two ends of a message in the making: what the host gets, and what remains to be written.
pub(super) struct Message {
    /// `None` if the message has no data.
    pub(super) data: Option<StreamReader<u8>>,
    pub(super) ended: FutureReader<Ended>,
    /// `None` if everything is in the hands of the host.
    pub(super) rest: Option<Rest>,
}

/// What remains to be written of a message. Dropped, it breaks the message off.
pub(super) enum Rest {
    /// All of it.
    Body(Writing),
    /// How it ends, as the body that was handed on does.
    End(Ending, FutureReader<Ended>),
}

/// The fields are dropped from the first to the last: the stream ends before the message says how.
pub(super) struct Writing {
    sink: Sink,
    ending: Ending,
    body: Outgoing,
    trailers: Option<Box<HeaderMap>>,
    /// What is left of the declared length, where there is one.
    left: Option<u64>,
}

impl Message {
    /// Makes a message without data.
    pub(super) fn empty() -> Self {
        let (ending, ended) = Ending::new();
        ending.finish(None);
        Self { data: None, ended, rest: None }
    }

    /// Makes a message of a body that is not known to be empty. A body that came in as it is goes out as it is.
    pub(super) fn new(body: Outgoing, trailers: Option<Box<HeaderMap>>, declared: Option<u64>) -> Self {
        let body = match (body, &trailers) {
            (Outgoing::Incoming(incoming), None) => match incoming.into_parts() {
                Ok((data, ended)) => return Self { data: Some(data), ended, rest: None },
                Err(incoming) => Outgoing::Incoming(Box::new(incoming)),
            },
            (body, _) => body,
        };
        let (sink, data) = Sink::new();
        let (ending, ended) = Ending::new();
        let rest = Rest::Body(Writing { sink, ending, body, trailers, left: declared });
        Self { data: Some(data), ended, rest: Some(rest) }
    }

    /// Makes a message that may go back to where its body came from.
    ///
    /// A component must not read a future that it wrote itself (the component model takes that for a mistake and traps).
    /// Middleware that writes the body of a request and gets it back as that of the response would, so how the body ends is
    /// told by a future of this component's own.
    pub(super) fn returning(body: Outgoing, trailers: Option<Box<HeaderMap>>, declared: Option<u64>) -> Self {
        let mut message = Self::new(body, trailers, declared);
        if message.rest.is_none() {
            let (ending, ended) = Ending::new();
            message.rest = Some(Rest::End(ending, mem::replace(&mut message.ended, ended)));
        }
        message
    }
}

impl Rest {
    /// Whether all of the body is there, and comes from nowhere.
    pub(super) fn is_at_hand(&self) -> bool {
        matches!(self, Self::Body(Writing { body: Outgoing::Bytes(_), .. }))
    }

    /// Whether the bytes are in the hands of the host.
    pub(super) fn is_handed_on(&self) -> bool {
        matches!(self, Self::End(..))
    }

    /// Writes what remains of the body and ends the message.
    pub(super) async fn write(self) -> Result<(), Error> {
        match self {
            Self::Body(writing) => writing.write().await,
            Self::End(ending, ended) => {
                match ended.await {
                    Ok(trailers) => ending.finish(trailers),
                    // Dropped, it says that the message broke off.
                    Err(_) => drop(ending),
                }
                Ok(())
            }
        }
    }
}

impl Writing {
    async fn write(self) -> Result<(), Error> {
        let Self { sink, ending, body, trailers, left } = self;
        let mut output = Output { sink, left };
        let trailers = match body {
            Outgoing::Bytes(bytes) => {
                output.write(bytes).await?;
                trailers
            }
            Outgoing::Incoming(mut incoming) => {
                output.write_incoming(&mut incoming).await?;
                // Trailers that the user set take the place of those that came; those pass through as the host has them.
                if trailers.is_none() {
                    let received = poll_fn(|cx| incoming.poll_fields(cx)).await?;
                    output.finish()?;
                    ending.finish(received);
                    return Ok(());
                }
                trailers
            }
            Outgoing::Stream(mut body) => {
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
        output.finish()?;
        ending.finish(trailers);
        Ok(())
    }
}

struct Output {
    sink: Sink,
    left: Option<u64>,
}

impl Output {
    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(bytes.len() as u64).ok_or_else(Error::longer_than_declared)?;
        }
        self.sink.set(bytes);
        poll_fn(|cx| self.sink.poll_flush(cx)).await.map_err(|_| Error::closed())
    }

    async fn write_incoming(&mut self, incoming: &mut IncomingBody) -> Result<(), Error> {
        while let Some(bytes) = poll_fn(|cx| crate::sys::IncomingBody::poll_data(incoming, cx)).await {
            self.write(bytes?).await?;
        }
        Ok(())
    }

    /// Ends the data.
    fn finish(self) -> Result<(), Error> {
        match self.left {
            Some(left @ 1..) => Err(Error::shorter_than_declared(left)),
            _ => Ok(()),
        }
    }
}
