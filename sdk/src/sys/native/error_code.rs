//! The error codes of `wasi:http`, with which the mocks of native tests fail.

use crate::sys::http::error_code::{explain, explained};
use crate::sys::outbound::Error;

/// The reason why an outbound call fails, with the cases and names of `wasi:http/types.error-code`.
///
/// As a response, it makes the call fail; see [`Reply::fail`](crate::test::Reply::fail). The component harness has an
/// enum of the same name for its mocks.
///
/// # Examples
///
/// ```
/// use wayside::test::{self, ErrorCode};
/// use wayside::{Request, client};
///
/// let _upstream = test::outbound(async |_: Request| ErrorCode::ConnectionRefused);
/// let error = test::block_on(client::get("http://a.test/")).unwrap_err();
/// assert!(error.is_connect());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are those of WIT, which documents them")]
pub enum ErrorCode {
    DnsTimeout,
    DnsError(DnsErrorPayload),
    DestinationNotFound,
    DestinationUnavailable,
    DestinationIpProhibited,
    DestinationIpUnroutable,
    ConnectionRefused,
    ConnectionTerminated,
    ConnectionTimeout,
    ConnectionReadTimeout,
    ConnectionWriteTimeout,
    ConnectionLimitReached,
    TlsProtocolError,
    TlsCertificateError,
    TlsAlertReceived(TlsAlertReceivedPayload),
    HttpRequestDenied,
    HttpRequestLengthRequired,
    HttpRequestBodySize(Option<u64>),
    HttpRequestMethodInvalid,
    HttpRequestUriInvalid,
    HttpRequestUriTooLong,
    HttpRequestHeaderSectionSize(Option<u32>),
    HttpRequestHeaderSize(Option<FieldSizePayload>),
    HttpRequestTrailerSectionSize(Option<u32>),
    HttpRequestTrailerSize(FieldSizePayload),
    HttpResponseIncomplete,
    HttpResponseHeaderSectionSize(Option<u32>),
    HttpResponseHeaderSize(FieldSizePayload),
    HttpResponseBodySize(Option<u64>),
    HttpResponseTrailerSectionSize(Option<u32>),
    HttpResponseTrailerSize(FieldSizePayload),
    HttpResponseTransferCoding(Option<String>),
    HttpResponseContentCoding(Option<String>),
    HttpResponseTimeout,
    HttpUpgradeFailed,
    HttpProtocolError,
    LoopDetected,
    ConfigurationError,
    InternalError(Option<String>),
}

/// The detail of [`ErrorCode::DnsError`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsErrorPayload {
    /// The name of the response code, for example `NXDOMAIN`.
    pub rcode: Option<String>,
    /// The extended code (RFC 8914).
    pub info_code: Option<u16>,
}

/// The detail of [`ErrorCode::TlsAlertReceived`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsAlertReceivedPayload {
    /// The number of the alert (RFC 8446, section 6).
    pub alert_id: Option<u8>,
    /// The text of the alert.
    pub alert_message: Option<String>,
}

/// The detail of an [`ErrorCode`] about one header or trailer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSizePayload {
    /// The name of the header or trailer.
    pub field_name: Option<String>,
    /// Its size in bytes.
    pub field_size: Option<u32>,
}

impl ErrorCode {
    /// Returns the error that a component gets for this code.
    pub(crate) fn into_error(self) -> Error {
        let (kind, message) = explained(explain!(self, ErrorCode));
        Error::new(kind, message)
    }
}
