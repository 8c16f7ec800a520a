//! The bodies of requests and responses in the host.

mod begun;
mod observed;

use std::cell::Cell;
use std::fmt;
use std::future::ready;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, BodyStream, Full, StreamBody};
use tokio::time::sleep;
use wasmtime_wasi_http::{Error as HostError, WasiBody};

use super::error_code::ErrorCode;

pub(crate) use begun::Begun;
pub(crate) use observed::{End, Observer, Passed, observe};

/// The error of a body.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request to a component or of a response from it.
///
/// The body streams: read it frame by frame through [`http_body::Body`].
pub struct Body(UnsyncBoxBody<Bytes, BodyError>);

impl Body {
    /// Makes an empty body.
    #[must_use]
    pub fn empty() -> Self {
        Bytes::new().into()
    }

    /// Makes a body from anything that implements [`http_body::Body`].
    pub fn new<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        Self(body.map_err(Into::into).boxed_unsync())
    }

    /// Adds trailers. The length of the body is then unknown in advance.
    #[must_use]
    pub fn with_trailers(self, trailers: HeaderMap) -> Self {
        let body = self.0.with_trailers(ready(Some(Ok(trailers))));
        // Hides the length: HTTP/1.1 has trailers only without `content-length`.
        Self::new(StreamBody::new(BodyStream::new(body)))
    }

    /// Makes a body of pieces, each of which is sent after a wait. The length is unknown in advance.
    pub(crate) fn in_pieces(pieces: Vec<(Duration, Bytes)>) -> Self {
        let frames = stream::iter(pieces).then(|(wait, piece)| async move {
            if !wait.is_zero() {
                sleep(wait).await;
            }
            Ok::<_, BodyError>(Frame::data(piece))
        });
        Self::new(StreamBody::new(frames))
    }

    /// Reads the whole body into memory.
    ///
    /// # Errors
    ///
    /// Fails if the body breaks off.
    pub async fn bytes(self) -> Result<Bytes, BodyError> {
        Ok(self.0.collect().await?.to_bytes())
    }

    /// Reads the whole body as UTF-8 text.
    ///
    /// # Errors
    ///
    /// Fails if the body breaks off or is not UTF-8.
    pub async fn text(self) -> Result<String, BodyError> {
        Ok(String::from_utf8(self.bytes().await?.into())?)
    }

    /// Reads the whole body and its trailers.
    ///
    /// # Errors
    ///
    /// Fails if the body breaks off.
    pub async fn bytes_and_trailers(self) -> Result<(Bytes, Option<HeaderMap>), BodyError> {
        let collected = self.0.collect().await?;
        let trailers = collected.trailers().cloned();
        Ok((collected.to_bytes(), trailers))
    }

    /// Reads to the end, and discards the data.
    pub(crate) async fn drain(mut self) {
        while let Some(Ok(_)) = self.frame().await {}
    }

    /// Converts the body to wasmtime's type. Removes empty frames, because some components take an empty frame for the
    /// end of the body.
    pub(crate) fn into_guest(self) -> WasiBody {
        WithoutEmptyFrames(self.0).map_err(host_error).boxed_unsync()
    }
}

/// Converts the error of a body to wasmtime's type.
pub(crate) fn host_error(error: BodyError) -> HostError {
    match error.downcast::<ErrorCode>() {
        Ok(code) => code.into_host(),
        Err(error) => match error.downcast::<hyper::Error>() {
            Ok(error) => HostError::Hyper(*error),
            Err(error) => HostError::InternalError(Some(error.to_string())),
        },
    }
}

/// Converts wasmtime's error of a body to the type of the harness.
pub(crate) fn body_error(error: HostError) -> BodyError {
    match error {
        HostError::Hyper(error) => error.into(),
        error => ErrorCode::from_host(error).into(),
    }
}

/// Returns the error code of a failed body. An error that is no [`ErrorCode`] becomes `internal-error` with its
/// message.
pub(crate) fn code_of(error: &BodyError) -> ErrorCode {
    match error.downcast_ref::<ErrorCode>() {
        Some(code) => code.clone(),
        None => ErrorCode::InternalError(Some(error.to_string())),
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

thread_local! {
    /// Whether a body that the host created has been polled since this flag was last cleared.
    static HOST_ASKED: Cell<bool> = const { Cell::new(false) };
}

/// Polls a body that a component sends. Also returns whether this poll in turn polled a body that the host created. If
/// so, the component passes the host's body through unchanged, and the data of the body no longer flows through the
/// instance.
pub(crate) fn asks_host<R>(poll: impl FnOnce() -> R) -> (R, bool) {
    let before = HOST_ASKED.replace(false);
    let polled = poll();
    (polled, HOST_ASKED.replace(before))
}

struct WithoutEmptyFrames(UnsyncBoxBody<Bytes, BodyError>);

impl HttpBody for WithoutEmptyFrames {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let frame = Pin::new(&mut self.0).poll_frame(cx);
            HOST_ASKED.set(true);
            let frame = std::task::ready!(frame);
            let empty = matches!(&frame, Some(Ok(frame)) if frame.data_ref().is_some_and(Bytes::is_empty));
            if !empty {
                return Poll::Ready(frame);
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hint = self.size_hint();
        f.debug_struct("Body").field("at_least", &hint.lower()).field("at_most", &hint.upper()).finish()
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::empty()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::new(Full::new(bytes))
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn trailers_follow_a_body_whose_length_is_not_told() {
        let trailers = HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), "7".parse().unwrap())]);
        let body = Body::from("text").with_trailers(trailers.clone());
        assert_eq!(body.size_hint().exact(), None);
        assert_eq!(body.bytes_and_trailers().await.unwrap(), (Bytes::from("text"), Some(trailers)));
    }

    #[tokio::test]
    async fn empty_frames_never_reach_a_guest() {
        let frames = [Bytes::new(), Bytes::from_static(b"a"), Bytes::new(), Bytes::from_static(b"b")];
        let frames = frames.map(|data| Ok::<_, std::io::Error>(Frame::data(data)));
        let mut body = Body::new(StreamBody::new(futures_util::stream::iter(frames))).into_guest();
        let mut sizes = Vec::new();
        while let Some(frame) = body.frame().await {
            sizes.push(frame.unwrap().into_data().unwrap().len());
        }
        assert_eq!(sizes, [1, 1]);
    }
}
