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

/// A body that comes from the host and is read piece by piece.
pub(crate) trait IncomingBody: Send {
    /// Polls for the next piece, which is never empty. Returns `None` after the last.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>>;
    /// Polls for the trailers, after all data has been read.
    fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<HeaderMap>, Error>>;
    fn size_hint(&self) -> SizeHint;
}

/// A body to send, and the trailers that the user added to it.
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
    /// A body that came from the host. Where possible, its data is moved inside the host, without a copy in the
    /// component.
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

/// The interface of the SDK's body type `crate::Body`. The worlds use this trait, because `crate::Body` itself
/// depends on this module.
pub trait MessageBody: Default + Send + 'static {
    fn incoming(incoming: Incoming, origin: Origin) -> Self;
    /// Turns a body that was sent into a body that is received, because in a native test no host transfers it.
    fn from_outgoing(outgoing: Outgoing, origin: Origin) -> Self;
    /// Returns the length of this body if it is known, and whether the user has added trailers.
    fn known(&self) -> Known;
    /// Returns the bytes of a body that is in memory and has no trailers.
    ///
    /// # Errors
    ///
    /// Returns the body unchanged if its data is not in memory, or if it has trailers.
    fn into_bytes(self) -> Result<Bytes, Self>;
    fn into_outgoing(self) -> Outgoing;
}
