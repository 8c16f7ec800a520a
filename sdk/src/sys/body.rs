//! Bodies, as the worlds see them.

mod error;

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::SizeHint;

pub(crate) use super::ArrivingBody as Incoming;
use super::http::framing::Known;

pub use error::Error;

/// A body that the component produces piece by piece.
pub(crate) type Stream = Pin<Box<dyn http_body::Body<Data = Bytes, Error = Error> + Send>>;

/// A body of the host that is read piece by piece.
pub(crate) trait IncomingBody: Send {
    /// Polls for the next piece, which is never empty. Returns `None` after the last.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>>;
    /// Polls for the trailers, after all data has been read.
    fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<HeaderMap>, Error>>;
    fn size_hint(&self) -> SizeHint;
}

/// A body that is sent, and the trailers that the user added.
pub struct Outgoing {
    pub(crate) data: OutgoingData,
    pub(crate) trailers: Option<Box<HeaderMap>>,
}

impl Outgoing {
    pub(crate) fn bytes(bytes: Bytes) -> Self {
        Self { data: OutgoingData::Bytes(bytes), trailers: None }
    }
}

/// The data of a body that is sent, in the form that is cheapest to send.
pub(crate) enum OutgoingData {
    Bytes(Bytes),
    /// Moved inside the host, without a copy in the component.
    Incoming(Box<Incoming>),
    Stream(Stream),
}

/// The message that an incoming body belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A request to the component.
    Request,
    /// A response to an outbound call.
    Response,
}

/// The SDK's body type, which lies above this module.
pub trait MessageBody: Default + Send + 'static {
    fn incoming(incoming: Incoming, origin: Origin) -> Self;
    /// Turns a sent body into a received one in the same process: natively, the test stands in for the host.
    fn from_outgoing(outgoing: Outgoing, origin: Origin) -> Self;
    /// The length and the trailers that this body is known to have.
    fn known(&self) -> Known;
    /// Returns the bytes of a body that consists of nothing else.
    ///
    /// # Errors
    ///
    /// Returns the body if it streams or has trailers.
    fn into_bytes(self) -> Result<Bytes, Self>;
    fn into_outgoing(self) -> Outgoing;
}
