//! [`Body`]: the body of a message.

use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::limited::Limited;
use super::source::{FromHttpBody, FromStream};
use super::trailers::WithTrailers;
use super::{Error, Sender, channel};
use crate::sys::body::{Incoming, IncomingBody as _, MessageBody, Origin, Outgoing, OutgoingData, Stream};
use crate::sys::http::framing::Known;
use crate::url::FinalUrl;

/// The body of a request or a response, incoming or outgoing.
///
/// A body is bytes in memory, or a stream that is read frame by frame and never held completely. It implements
/// [`http_body::Body`], so it works with code for that trait.
///
/// An incoming body that is sent on unchanged, as in a proxy or an echo, is moved inside the host: its bytes never
/// enter the component.
///
/// # Examples
///
/// ```
/// # wayside::test::block_on(async {
/// use wayside::Body;
///
/// let mut body = Body::from("hello");
/// while let Some(piece) = body.next_chunk().await {
///     println!("{} bytes", piece?.len());
/// }
/// # Ok::<(), wayside::body::Error>(()) }).unwrap();
/// ```
pub struct Body {
    data: Data,
    /// Whether `data` is `Empty` or `Bytes`. The compiler can trace the value of this flag, but not the variant of
    /// `data`. So it removes the code for streams from a component that makes only bodies of bytes.
    is_bytes: bool,
    /// The trailers that the user added to a body of bytes, or that an incoming body or a stream delivered after its
    /// data.
    trailers: Option<Box<HeaderMap>>,
    /// Whether this is the body of a response from an upstream. If so, a failure to read it is the upstream's fault.
    pub(super) of_response: bool,
    /// The URL of the response, if a [`Client`](crate::client::Client) received it. The URL is stored here, because a
    /// response extension would allocate a hash map for each response.
    url: Option<Box<FinalUrl>>,
}

/// The maximum number of bytes that [`Body::bytes`] reserves for data that has not arrived.
const MAX_AHEAD_BYTES: usize = 256 * 1024;

#[derive(Default)]
enum Data {
    #[default]
    Empty,
    Bytes(Bytes),
    /// Boxed to keep `Body` small, because bodies are moved more often than received.
    Incoming(Box<Incoming>),
    Stream(Stream),
}

impl Body {
    /// Makes an empty body.
    ///
    /// # Examples
    ///
    /// ```
    /// use wayside::Body;
    ///
    /// assert!(wayside::http_body::Body::is_end_stream(&Body::empty()));
    /// ```
    #[must_use]
    pub const fn empty() -> Self {
        Self { data: Data::Empty, is_bytes: true, trailers: None, of_response: false, url: None }
    }

    /// Makes a body from a stream of pieces. The stream is polled only as fast as the peer reads.
    ///
    /// An error of the stream breaks the message off, so that the peer notices that the message is incomplete. It may
    /// have any type that `?` converts to [`wayside::Error`](crate::Error), or be one.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use futures_util::stream;
    /// use wayside::Body;
    ///
    /// let pieces = ["one ", "two ", "three"].map(Ok::<_, Infallible>);
    /// let body = Body::from_stream(stream::iter(pieces));
    /// # assert_eq!(wayside::test::block_on(body.text()).unwrap(), "one two three");
    /// ```
    pub fn from_stream<S, D, E>(stream: S) -> Self
    where
        S: futures_core::Stream<Item = Result<D, E>> + Send + 'static,
        D: Into<Bytes>,
        E: Into<crate::Error>,
    {
        Self::boxed(FromStream::new(stream))
    }

    /// Makes a body from any other implementation of [`http_body::Body`].
    ///
    /// # Examples
    ///
    /// ```
    /// use wayside::Body;
    ///
    /// /// Takes the response of any other framework, whose body is of another type.
    /// fn convert<B>(response: wayside::http::Response<B>) -> wayside::Response
    /// where
    ///     B: wayside::http_body::Body<Data = wayside::Bytes, Error: std::error::Error + Send + Sync> + Send + 'static,
    /// {
    ///     response.map(Body::from_http_body)
    /// }
    /// ```
    pub fn from_http_body<B>(body: B) -> Self
    where
        B: HttpBody + Send + 'static,
        B::Data: Into<Bytes>,
        B::Error: Into<crate::Error>,
    {
        Self::boxed(FromHttpBody::new(body))
    }

    /// Makes a body, and the sender that writes it.
    ///
    /// [`Sender::send`] waits until the reader has taken the previous piece, so at most one piece is in memory. See
    /// [`Sender`] for how such a body ends.
    ///
    /// # Examples
    ///
    /// ```
    /// # wayside::test::block_on(async {
    /// use wayside::Body;
    ///
    /// let (mut sender, body) = Body::channel();
    /// wayside::spawn(async move {
    ///     for line in ["one\n", "two\n"] {
    ///         sender.send(line).await?;
    ///     }
    ///     sender.finish();
    ///     Ok::<(), wayside::body::Error>(())
    /// })
    /// .detach();
    /// assert_eq!(body.text().await?, "one\ntwo\n");
    /// # Ok::<(), wayside::body::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn channel() -> (Sender, Self) {
        let (sender, receiver) = channel::channel();
        (sender, Self::boxed(receiver))
    }

    /// Adds trailers, which follow the data (RFC 9110, section 6.5).
    ///
    /// An added trailer replaces earlier trailers of the same name, whether they were received or added. An incoming
    /// body with added trailers is not moved inside the host: its bytes are copied through the component.
    ///
    /// An HTTP/1.1 server may drop trailers that the `Trailer` header does not announce.
    ///
    /// # Examples
    ///
    /// ```
    /// # wayside::test::block_on(async {
    /// use wayside::{Body, HeaderMap, HeaderValue};
    ///
    /// let mut trailers = HeaderMap::new();
    /// trailers.insert("x-checksum", HeaderValue::from_static("9a0364b9"));
    /// let mut body = Body::from("hello").with_trailers(trailers.clone());
    /// assert_eq!(body.trailers().await?, Some(trailers));
    /// # Ok::<(), wayside::body::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn with_trailers(mut self, trailers: HeaderMap) -> Self {
        if let Data::Incoming(_) | Data::Stream(_) = self.data {
            let of_response = self.of_response;
            return Self { of_response, ..Self::boxed(WithTrailers::new(self, trailers)) };
        }
        match &mut self.trailers {
            Some(earlier) => earlier.extend(trailers),
            none => *none = Some(Box::new(trailers)),
        }
        self
    }

    /// Limits the size of this body: reading fails once the body is known to be longer than `limit` bytes.
    ///
    /// [`Error::is_too_large`] is true for this error. If a handler returns the error, the response has the status
    /// 413, or 502 if the body belongs to a response from an upstream. A body whose known length exceeds the limit
    /// fails before the first byte is read.
    ///
    /// # Examples
    ///
    /// ```
    /// # wayside::test::block_on(async {
    /// use wayside::Body;
    ///
    /// let error = Body::from("a long text").limited(4).bytes().await.unwrap_err();
    /// assert!(error.is_too_large());
    /// # Ok::<(), wayside::body::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn limited(mut self, limit: u64) -> Self {
        if self.size_hint().upper().is_some_and(|upper| upper <= limit) {
            return self;
        }
        let (of_response, url) = (self.of_response, self.url.take());
        Self { of_response, url, ..Self::boxed(Limited::new(self, limit)) }
    }

    /// Reads the next piece of the data. A piece is never empty. Returns `None` after the last piece.
    ///
    /// # Errors
    ///
    /// Fails if the body breaks off, exceeds a limit, or its source fails. After a failure, the next call returns
    /// `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// # wayside::test::block_on(async {
    /// use wayside::Body;
    ///
    /// let mut body = Body::from("hello");
    /// assert_eq!(body.next_chunk().await.transpose()?.unwrap(), "hello");
    /// assert!(body.next_chunk().await.is_none());
    /// # Ok::<(), wayside::body::Error>(()) }).unwrap();
    /// ```
    pub async fn next_chunk(&mut self) -> Option<Result<Bytes, Error>> {
        poll_fn(|cx| self.poll_data(cx)).await
    }

    /// Reads and discards the rest of the data, and returns the trailers.
    ///
    /// # Errors
    ///
    /// Fails if the body breaks off before its end.
    ///
    /// # Examples
    ///
    /// ```
    /// # wayside::test::block_on(async {
    /// use wayside::Body;
    ///
    /// assert_eq!(Body::from("hello").trailers().await?, None);
    /// # Ok::<(), wayside::body::Error>(()) }).unwrap();
    /// ```
    pub async fn trailers(&mut self) -> Result<Option<HeaderMap>, Error> {
        while let Some(chunk) = self.next_chunk().await {
            chunk?;
        }
        if let Data::Incoming(incoming) = &mut self.data {
            let trailers = poll_fn(|cx| incoming.poll_trailers(cx)).await?;
            self.data = Data::Empty;
            self.trailers = trailers.map(Box::new);
        }
        Ok(self.trailers.take().map(|trailers| *trailers))
    }

    /// Reads the whole body into memory. Set a limit with [`limited`](Body::limited) for incoming bodies.
    ///
    /// # Errors
    ///
    /// Fails if the body breaks off, exceeds a limit, or its source fails.
    ///
    /// # Examples
    ///
    /// ```
    /// # wayside::test::block_on(async {
    /// use wayside::Body;
    ///
    /// assert_eq!(Body::from("hello").limited(1024).bytes().await?, "hello");
    /// # Ok::<(), wayside::body::Error>(()) }).unwrap();
    /// ```
    pub async fn bytes(mut self) -> Result<Bytes, Error> {
        if let Data::Bytes(bytes) = self.data {
            return Ok(bytes);
        }
        let Some(first) = self.next_chunk().await.transpose()? else {
            return Ok(Bytes::new());
        };
        let Some(second) = self.next_chunk().await.transpose()? else {
            return Ok(first);
        };
        // The declared length may be false, so at most `MAX_AHEAD_BYTES` are reserved for it.
        let rest = usize::try_from(self.size_hint().lower()).unwrap_or(0).min(MAX_AHEAD_BYTES);
        let mut whole = BytesMut::with_capacity(first.len() + second.len() + rest);
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&second);
        while let Some(chunk) = self.next_chunk().await.transpose()? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// Reads the whole body as UTF-8 text.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`bytes`](Body::bytes), and an error if the body is not UTF-8.
    ///
    /// # Examples
    ///
    /// ```
    /// # wayside::test::block_on(async {
    /// use wayside::Body;
    ///
    /// assert_eq!(Body::from("hello").text().await?, "hello");
    /// assert!(Body::from(vec![0xff]).text().await.unwrap_err().is_decode());
    /// # Ok::<(), wayside::body::Error>(()) }).unwrap();
    /// ```
    pub async fn text(self) -> Result<String, Error> {
        let of_response = self.of_response;
        String::from_utf8(self.bytes().await?.into()).map_err(|error| Error::utf8(error).of_response(of_response))
    }

    /// Copies a body of bytes with its trailers, to send it again. Returns `None` for a body that streams.
    pub(crate) fn share(&self) -> Option<Self> {
        let data = match &self.data {
            Data::Empty => Data::Empty,
            Data::Bytes(bytes) => Data::Bytes(bytes.clone()),
            Data::Stream(body) if body.is_end_stream() => Data::Empty,
            Data::Incoming(body) if body.size_hint().exact() == Some(0) => Data::Empty,
            Data::Incoming(_) | Data::Stream(_) => return None,
        };
        Some(Self { data, is_bytes: true, trailers: self.trailers.clone(), of_response: self.of_response, url: None })
    }

    /// Stores the URL that the body came from.
    pub(crate) fn set_url(&mut self, url: FinalUrl) {
        self.url = Some(Box::new(url));
    }

    pub(crate) fn url(&self) -> Option<&FinalUrl> {
        self.url.as_deref()
    }

    fn boxed(body: impl HttpBody<Data = Bytes, Error = Error> + Send + 'static) -> Self {
        Self { data: Data::Stream(Box::pin(body)), is_bytes: false, ..Self::empty() }
    }

    pub(crate) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let data = ready!(self.poll_data_of_any(cx));
        Poll::Ready(data.map(|data| data.map_err(|error| error.of_response(self.of_response))))
    }

    fn poll_data_of_any(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        match &mut self.data {
            Data::Empty => Poll::Ready(None),
            Data::Bytes(bytes) => {
                let bytes = mem::take(bytes);
                self.data = Data::Empty;
                Poll::Ready((!bytes.is_empty()).then_some(Ok(bytes)))
            }
            Data::Incoming(incoming) => {
                let data = ready!(incoming.poll_data(cx));
                if let Some(Err(_)) = data {
                    self.data = Data::Empty;
                }
                Poll::Ready(data)
            }
            Data::Stream(body) => loop {
                let Some(frame) = ready!(body.as_mut().poll_frame(cx)) else {
                    self.data = Data::Empty;
                    return Poll::Ready(None);
                };
                match frame.map(Frame::into_data) {
                    Ok(Ok(bytes)) if bytes.is_empty() => {}
                    Ok(Ok(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                    Ok(Err(frame)) => {
                        self.trailers = frame.into_trailers().ok().map(Box::new);
                    }
                    Err(error) => {
                        self.data = Data::Empty;
                        self.trailers = None;
                        return Poll::Ready(Some(Err(error)));
                    }
                }
            },
        }
    }
}

impl MessageBody for Body {
    fn incoming(incoming: Incoming, origin: Origin) -> Self {
        let of_response = origin == Origin::Response;
        Self { data: Data::Incoming(Box::new(incoming)), is_bytes: false, of_response, ..Self::empty() }
    }

    fn from_outgoing(outgoing: Outgoing, origin: Origin) -> Self {
        let Outgoing { data, trailers } = outgoing;
        let data = match data {
            OutgoingData::Bytes(bytes) => Data::Bytes(bytes),
            OutgoingData::Incoming(incoming) => Data::Incoming(incoming),
            OutgoingData::Stream(stream) => Data::Stream(stream),
        };
        let is_bytes = matches!(data, Data::Bytes(_));
        Self { data, is_bytes, trailers, of_response: origin == Origin::Response, url: None }
    }

    fn known(&self) -> Known {
        let length = match &self.data {
            Data::Stream(body) => match body.size_hint().exact() {
                // A stream without data that has not ended may still have trailers, so its length counts as unknown.
                Some(0) if !body.is_end_stream() => None,
                None if body.is_end_stream() => Some(0),
                length => length,
            },
            _ => self.size_hint().exact(),
        };
        Known { length, has_trailers: self.trailers.is_some() }
    }

    #[inline(always)]
    fn into_bytes(self) -> Result<Bytes, Self> {
        if !self.is_bytes || self.trailers.is_some() {
            return Err(self);
        }
        match self.data {
            Data::Bytes(bytes) => Ok(bytes),
            _ => Ok(Bytes::new()),
        }
    }

    #[inline]
    fn into_outgoing(self) -> Outgoing {
        let data = match self.data {
            Data::Empty => OutgoingData::Bytes(Bytes::new()),
            Data::Bytes(bytes) => OutgoingData::Bytes(bytes),
            Data::Incoming(incoming) => OutgoingData::Incoming(incoming),
            Data::Stream(stream) => OutgoingData::Stream(stream),
        };
        Outgoing { data, trailers: self.trailers }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        if let Some(data) = ready!(this.poll_data(cx)) {
            return Poll::Ready(Some(data.map(Frame::data)));
        }
        if let Data::Incoming(incoming) = &mut this.data {
            let trailers = ready!(incoming.poll_trailers(cx));
            this.data = Data::Empty;
            match trailers {
                Ok(trailers) => this.trailers = trailers.map(Box::new),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        Poll::Ready(this.trailers.take().map(|trailers| Ok(Frame::trailers(*trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.trailers.is_none()
            && match &self.data {
                Data::Empty => true,
                Data::Bytes(bytes) => bytes.is_empty(),
                Data::Incoming(_) => false,
                Data::Stream(body) => body.is_end_stream(),
            }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.data {
            Data::Empty => SizeHint::with_exact(0),
            Data::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Data::Incoming(incoming) => incoming.size_hint(),
            Data::Stream(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hint = self.size_hint();
        f.debug_struct("Body").field("at_least", &hint.lower()).field("at_most", &hint.upper()).finish()
    }
}

impl From<Bytes> for Body {
    #[inline]
    fn from(bytes: Bytes) -> Self {
        Self { data: Data::Bytes(bytes), ..Self::empty() }
    }
}
