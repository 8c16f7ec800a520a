//! Failures to read or write a body.

use std::error::Error as StdError;
use std::string::FromUtf8Error;
use std::{fmt, str};

use crate::sys::http::length::LengthError;
use crate::sys::http::reason::sentence;

/// A failure to read or write a body.
///
/// The predicates tell the cause; [`source`](StdError::source) returns the underlying error.
///
/// # Examples
///
/// ```
/// # wayside::test::block_on(async {
/// use wayside::Body;
///
/// let error = Body::from("hello").limited(2).text().await.unwrap_err();
/// assert!(error.is_too_large() && !error.is_incomplete());
/// assert_eq!(error.to_string(), "the body is longer than its limit of 2 bytes");
/// # Ok::<(), wayside::body::Error>(()) }).unwrap();
/// ```
pub struct Error {
    // Boxed to keep results small: every read and every write of a piece moves a result, which is rarely an error.
    inner: Box<Inner>,
}

struct Inner {
    kind: BodyErrorKind,
    source: Option<Box<dyn StdError + Send + Sync>>,
    /// Whether the failed body belongs to a response from an upstream.
    of_response: bool,
}

enum BodyErrorKind {
    /// The peer or the host broke the body off.
    BrokenOff {
        received: u64,
        declared: Option<u64>,
        reason: String,
    },
    TimedOut {
        received: u64,
    },
    /// The body that is being sent is longer or shorter than its `content-length`.
    Length(LengthError),
    /// The host rejected the body that is being sent.
    Rejected(String),
    Aborted,
    Closed,
    TooLarge(u64),
    EventTooLarge(usize),
    Utf8,
    /// The body is not valid in this charset, or the charset is unknown.
    #[cfg(feature = "charset")]
    Charset {
        name: String,
        is_known: bool,
    },
    #[cfg(feature = "json")]
    Json,
    Source,
}

impl Error {
    #[cold]
    fn new(kind: BodyErrorKind, source: Option<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { inner: Box::new(Inner { kind, source, of_response: false }) }
    }

    /// Whether the body broke off before its end: the connection broke, or the sender did not finish the body.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        matches!(self.inner.kind, BodyErrorKind::BrokenOff { .. } | BodyErrorKind::Aborted)
    }

    /// Whether the body of a response did not arrive in time.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.inner.kind, BodyErrorKind::TimedOut { .. })
    }

    pub(crate) fn of_response(mut self, of_response: bool) -> Self {
        self.inner.of_response = of_response;
        self
    }

    /// Whether the failed body belongs to a response from an upstream.
    pub(crate) fn is_of_response(&self) -> bool {
        self.inner.of_response
    }

    /// Whether the reader of the body is gone, for example because the client disconnected.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.inner.kind, BodyErrorKind::Closed)
    }

    /// Whether the body, or a server-sent event in it, was longer than its limit.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        matches!(self.inner.kind, BodyErrorKind::TooLarge(_) | BodyErrorKind::EventTooLarge(_))
    }

    /// Whether the body arrived but is not valid in its charset, or not the expected JSON document.
    #[must_use]
    pub fn is_decode(&self) -> bool {
        match self.inner.kind {
            BodyErrorKind::Utf8 => true,
            #[cfg(feature = "charset")]
            BodyErrorKind::Charset { .. } => true,
            #[cfg(feature = "json")]
            BodyErrorKind::Json => true,
            _ => false,
        }
    }

    pub(crate) fn aborted() -> Self {
        Self::new(BodyErrorKind::Aborted, None)
    }

    pub(crate) fn closed() -> Self {
        Self::new(BodyErrorKind::Closed, None)
    }

    pub(crate) fn too_large(limit: u64) -> Self {
        Self::new(BodyErrorKind::TooLarge(limit), None)
    }

    pub(crate) fn event_too_large(limit: usize) -> Self {
        Self::new(BodyErrorKind::EventTooLarge(limit), None)
    }

    #[cfg(feature = "charset")]
    pub(crate) fn charset(name: String, is_known: bool) -> Self {
        Self::new(BodyErrorKind::Charset { name, is_known }, None)
    }

    pub(crate) fn utf8(source: FromUtf8Error) -> Self {
        let source: str::Utf8Error = source.utf8_error();
        Self::new(BodyErrorKind::Utf8, Some(source.into()))
    }

    #[cfg(feature = "json")]
    pub(crate) fn json(source: serde_json::Error) -> Self {
        Self::new(BodyErrorKind::Json, Some(source.into()))
    }

    pub(crate) fn source_failed(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        // If the source is itself a body of the SDK, its error is returned without another wrapper.
        match source.downcast::<Self>() {
            Ok(error) => *error,
            Err(source) => Self::new(BodyErrorKind::Source, Some(source)),
        }
    }
}

impl Error {
    pub(crate) fn broken_off(received: u64, declared: Option<u64>, reason: String) -> Self {
        Self::new(BodyErrorKind::BrokenOff { received, declared, reason: sentence(&reason) }, None)
    }

    pub(crate) fn timed_out(received: u64) -> Self {
        Self::new(BodyErrorKind::TimedOut { received }, None)
    }

    pub(crate) fn rejected(reason: String) -> Self {
        Self::new(BodyErrorKind::Rejected(sentence(&reason)), None)
    }

    pub(crate) fn trailers(reason: String) -> Self {
        Self::rejected(format!("its trailers cannot be sent: {reason}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner.kind {
            BodyErrorKind::BrokenOff { received, declared, reason, .. } => {
                write!(f, "the body broke off after {received}")?;
                if let Some(declared) = declared {
                    write!(f, " of {declared}")?;
                }
                f.write_str(" bytes")?;
                if reason.is_empty() { Ok(()) } else { write!(f, ": {reason}") }
            }
            BodyErrorKind::TimedOut { received } => {
                write!(f, "the exchange took too long; {received} bytes had arrived")
            }
            BodyErrorKind::Length(error) => error.fmt(f),
            BodyErrorKind::Rejected(reason) => write!(f, "the host did not take the body: {reason}"),
            BodyErrorKind::Aborted => f.write_str("the sender of the body was dropped without `finish`"),
            BodyErrorKind::Closed => f.write_str("nobody reads the body any more"),
            BodyErrorKind::TooLarge(limit) => write!(f, "the body is longer than its limit of {limit} bytes"),
            BodyErrorKind::EventTooLarge(limit) => write!(f, "an event is longer than its limit of {limit} bytes"),
            #[cfg(feature = "charset")]
            BodyErrorKind::Charset { name, is_known: true } => {
                write!(f, "the body is not valid in its charset `{name}`")
            }
            #[cfg(feature = "charset")]
            BodyErrorKind::Charset { name, .. } => write!(f, "the charset `{name}` of the body is unknown"),
            BodyErrorKind::Utf8 => f.write_str("the body is not UTF-8"),
            #[cfg(feature = "json")]
            BodyErrorKind::Json => f.write_str("the body is not the expected JSON"),
            BodyErrorKind::Source => f.write_str("the source of the body failed"),
        }
    }
}

impl From<LengthError> for Error {
    fn from(error: LengthError) -> Self {
        Self::new(BodyErrorKind::Length(error), None)
    }
}

/// Formats like `Display`, because derived `Debug` code would make up a tenth of a small component.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}
