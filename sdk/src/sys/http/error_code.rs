//! The error codes of `wasi:http`: a kind that callers can distinguish, and a message.

use std::fmt;

/// The distinguishable kinds of failed calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Timeout,
    Dns,
    Connect,
    Tls,
    Denied,
    Incomplete,
    Request,
    Body,
    Redirect,
    Unsupported,
    Protocol,
    Status,
    Host,
}

/// Turns an error code of a host into its kind, a message, and the detail that the code carries, if there is one. The
/// codes of all WASI versions have the same names, so each world uses this macro with its own type.
#[allow(unused_macros, reason = "natively only tests use it")]
macro_rules! explain {
    ($code:expr, $codes:path) => {{
        use $codes as Code;
        match $code {
            Code::DnsTimeout => ($crate::sys::http::error_code::Kind::Timeout, "the name lookup timed out", None),
            Code::DnsError(payload) => {
                ($crate::sys::http::error_code::Kind::Dns, "the name lookup failed", payload.rcode)
            }
            Code::DestinationNotFound => ($crate::sys::http::error_code::Kind::Dns, "the server was not found", None),
            Code::DestinationUnavailable => {
                ($crate::sys::http::error_code::Kind::Connect, "the server is unavailable", None)
            }
            Code::DestinationIpProhibited => {
                ($crate::sys::http::error_code::Kind::Denied, "the server's address is prohibited", None)
            }
            Code::DestinationIpUnroutable => {
                ($crate::sys::http::error_code::Kind::Connect, "the server's address cannot be routed to", None)
            }
            Code::ConnectionRefused => {
                ($crate::sys::http::error_code::Kind::Connect, "the connection was refused", None)
            }
            Code::ConnectionTerminated => {
                ($crate::sys::http::error_code::Kind::Incomplete, "the connection broke", None)
            }
            Code::ConnectionTimeout => ($crate::sys::http::error_code::Kind::Timeout, "the connection timed out", None),
            Code::ConnectionReadTimeout => {
                ($crate::sys::http::error_code::Kind::Timeout, "reading from the connection timed out", None)
            }
            Code::ConnectionWriteTimeout => {
                ($crate::sys::http::error_code::Kind::Timeout, "writing to the connection timed out", None)
            }
            Code::ConnectionLimitReached => {
                ($crate::sys::http::error_code::Kind::Connect, "the host has too many connections", None)
            }
            Code::TlsProtocolError => ($crate::sys::http::error_code::Kind::Tls, "TLS failed", None),
            Code::TlsCertificateError => {
                ($crate::sys::http::error_code::Kind::Tls, "the server's certificate was refused", None)
            }
            Code::TlsAlertReceived(payload) => {
                ($crate::sys::http::error_code::Kind::Tls, "the server ended TLS with an alert", payload.alert_message)
            }
            Code::HttpRequestDenied => {
                ($crate::sys::http::error_code::Kind::Denied, "the host denied the request", None)
            }
            Code::HttpRequestLengthRequired => {
                ($crate::sys::http::error_code::Kind::Request, "the request needs a content-length", None)
            }
            Code::HttpRequestBodySize(size) => (
                $crate::sys::http::error_code::Kind::Request,
                "the request body has the wrong size",
                $crate::sys::http::error_code::bytes_of(size),
            ),
            Code::HttpRequestMethodInvalid => {
                ($crate::sys::http::error_code::Kind::Request, "the method is not valid", None)
            }
            Code::HttpRequestUriInvalid => ($crate::sys::http::error_code::Kind::Request, "the URL is not valid", None),
            Code::HttpRequestUriTooLong => ($crate::sys::http::error_code::Kind::Request, "the URL is too long", None),
            Code::HttpRequestHeaderSectionSize(size) => (
                $crate::sys::http::error_code::Kind::Request,
                "the request fields are too large",
                $crate::sys::http::error_code::bytes_of(size),
            ),
            Code::HttpRequestHeaderSize(payload) => (
                $crate::sys::http::error_code::Kind::Request,
                "a request field is too large",
                payload.and_then(|payload| payload.field_name),
            ),
            Code::HttpRequestTrailerSectionSize(size) => (
                $crate::sys::http::error_code::Kind::Request,
                "the request trailers are too large",
                $crate::sys::http::error_code::bytes_of(size),
            ),
            Code::HttpRequestTrailerSize(payload) => {
                ($crate::sys::http::error_code::Kind::Request, "a request trailer is too large", payload.field_name)
            }
            Code::HttpResponseIncomplete => {
                ($crate::sys::http::error_code::Kind::Incomplete, "the response broke off", None)
            }
            Code::HttpResponseHeaderSectionSize(size) => (
                $crate::sys::http::error_code::Kind::Protocol,
                "the response fields are too large",
                $crate::sys::http::error_code::bytes_of(size),
            ),
            Code::HttpResponseHeaderSize(payload) => {
                ($crate::sys::http::error_code::Kind::Protocol, "a response field is too large", payload.field_name)
            }
            Code::HttpResponseBodySize(size) => (
                $crate::sys::http::error_code::Kind::Protocol,
                "the response body has the wrong size",
                $crate::sys::http::error_code::bytes_of(size),
            ),
            Code::HttpResponseTrailerSectionSize(size) => (
                $crate::sys::http::error_code::Kind::Protocol,
                "the response trailers are too large",
                $crate::sys::http::error_code::bytes_of(size),
            ),
            Code::HttpResponseTrailerSize(payload) => {
                ($crate::sys::http::error_code::Kind::Protocol, "a response trailer is too large", payload.field_name)
            }
            Code::HttpResponseTransferCoding(coding) => {
                ($crate::sys::http::error_code::Kind::Protocol, "the transfer coding is unknown", coding)
            }
            Code::HttpResponseContentCoding(coding) => {
                ($crate::sys::http::error_code::Kind::Protocol, "the content coding is unknown", coding)
            }
            Code::HttpResponseTimeout => ($crate::sys::http::error_code::Kind::Timeout, "the response timed out", None),
            Code::HttpUpgradeFailed => ($crate::sys::http::error_code::Kind::Protocol, "the upgrade failed", None),
            Code::HttpProtocolError => (
                $crate::sys::http::error_code::Kind::Protocol,
                "the server or the connection broke the rules of HTTP",
                None,
            ),
            Code::LoopDetected => ($crate::sys::http::error_code::Kind::Request, "the request goes in a loop", None),
            Code::ConfigurationError => {
                ($crate::sys::http::error_code::Kind::Host, "the host is not configured for the request", None)
            }
            Code::InternalError(detail) => ($crate::sys::http::error_code::Kind::Host, "the host failed", detail),
        }
    }};
}
#[allow(unused_imports, reason = "natively only tests use it")]
pub(crate) use explain;

/// Turns the result of `explain!` into the kind and one message, which ends with the detail.
pub(crate) fn explained((kind, text, detail): (Kind, &'static str, Option<String>)) -> (Kind, String) {
    let message = match detail {
        Some(detail) => format!("{text}: {}", super::reason::sentence(&detail)),
        None => text.to_owned(),
    };
    (kind, message)
}

pub(crate) fn bytes_of(size: Option<impl fmt::Display>) -> Option<String> {
    size.map(|size| format!("{size} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::error_code::{DnsErrorPayload, ErrorCode as Code, FieldSizePayload, TlsAlertReceivedPayload};

    fn field(name: &str) -> FieldSizePayload {
        FieldSizePayload { field_name: Some(name.to_owned()), field_size: None }
    }

    #[test]
    fn every_code_has_its_cause_and_its_sentence() {
        for (code, kind, message) in [
            (Code::DnsTimeout, Kind::Timeout, "the name lookup timed out"),
            (
                Code::DnsError(DnsErrorPayload { rcode: Some("NXDOMAIN".to_owned()), info_code: None }),
                Kind::Dns,
                "the name lookup failed: NXDOMAIN",
            ),
            (Code::DestinationNotFound, Kind::Dns, "the server was not found"),
            (Code::DestinationUnavailable, Kind::Connect, "the server is unavailable"),
            (Code::DestinationIpProhibited, Kind::Denied, "the server's address is prohibited"),
            (Code::DestinationIpUnroutable, Kind::Connect, "the server's address cannot be routed to"),
            (Code::ConnectionRefused, Kind::Connect, "the connection was refused"),
            (Code::ConnectionTerminated, Kind::Incomplete, "the connection broke"),
            (Code::ConnectionTimeout, Kind::Timeout, "the connection timed out"),
            (Code::ConnectionReadTimeout, Kind::Timeout, "reading from the connection timed out"),
            (Code::ConnectionWriteTimeout, Kind::Timeout, "writing to the connection timed out"),
            (Code::ConnectionLimitReached, Kind::Connect, "the host has too many connections"),
            (Code::TlsProtocolError, Kind::Tls, "TLS failed"),
            (Code::TlsCertificateError, Kind::Tls, "the server's certificate was refused"),
            (
                Code::TlsAlertReceived(TlsAlertReceivedPayload { alert_id: None, alert_message: None }),
                Kind::Tls,
                "the server ended TLS with an alert",
            ),
            (Code::HttpRequestDenied, Kind::Denied, "the host denied the request"),
            (Code::HttpRequestLengthRequired, Kind::Request, "the request needs a content-length"),
            (Code::HttpRequestBodySize(None), Kind::Request, "the request body has the wrong size"),
            (Code::HttpRequestBodySize(Some(7)), Kind::Request, "the request body has the wrong size: 7 bytes"),
            (Code::HttpRequestMethodInvalid, Kind::Request, "the method is not valid"),
            (Code::HttpRequestUriInvalid, Kind::Request, "the URL is not valid"),
            (Code::HttpRequestUriTooLong, Kind::Request, "the URL is too long"),
            (Code::HttpRequestHeaderSectionSize(None), Kind::Request, "the request fields are too large"),
            (Code::HttpRequestHeaderSectionSize(Some(7)), Kind::Request, "the request fields are too large: 7 bytes"),
            (Code::HttpRequestHeaderSize(None), Kind::Request, "a request field is too large"),
            (Code::HttpRequestHeaderSize(Some(field("x-a"))), Kind::Request, "a request field is too large: x-a"),
            (Code::HttpRequestTrailerSectionSize(None), Kind::Request, "the request trailers are too large"),
            (
                Code::HttpRequestTrailerSectionSize(Some(7)),
                Kind::Request,
                "the request trailers are too large: 7 bytes",
            ),
            (Code::HttpRequestTrailerSize(field("x-a")), Kind::Request, "a request trailer is too large: x-a"),
            (Code::HttpResponseIncomplete, Kind::Incomplete, "the response broke off"),
            (Code::HttpResponseHeaderSectionSize(None), Kind::Protocol, "the response fields are too large"),
            (
                Code::HttpResponseHeaderSectionSize(Some(7)),
                Kind::Protocol,
                "the response fields are too large: 7 bytes",
            ),
            (Code::HttpResponseHeaderSize(field("x-a")), Kind::Protocol, "a response field is too large: x-a"),
            (Code::HttpResponseBodySize(None), Kind::Protocol, "the response body has the wrong size"),
            (Code::HttpResponseBodySize(Some(7)), Kind::Protocol, "the response body has the wrong size: 7 bytes"),
            (Code::HttpResponseTrailerSectionSize(None), Kind::Protocol, "the response trailers are too large"),
            (
                Code::HttpResponseTrailerSectionSize(Some(7)),
                Kind::Protocol,
                "the response trailers are too large: 7 bytes",
            ),
            (Code::HttpResponseTrailerSize(field("x-a")), Kind::Protocol, "a response trailer is too large: x-a"),
            (
                Code::HttpResponseTransferCoding(Some("why".to_owned())),
                Kind::Protocol,
                "the transfer coding is unknown: why",
            ),
            (
                Code::HttpResponseContentCoding(Some("why".to_owned())),
                Kind::Protocol,
                "the content coding is unknown: why",
            ),
            (Code::HttpResponseTimeout, Kind::Timeout, "the response timed out"),
            (Code::HttpUpgradeFailed, Kind::Protocol, "the upgrade failed"),
            (Code::HttpProtocolError, Kind::Protocol, "the server or the connection broke the rules of HTTP"),
            (Code::LoopDetected, Kind::Request, "the request goes in a loop"),
            (Code::ConfigurationError, Kind::Host, "the host is not configured for the request"),
            (Code::InternalError(Some("why".to_owned())), Kind::Host, "the host failed: why"),
        ] {
            assert_eq!(explained(explain!(code, Code)), (kind, message.to_owned()));
        }
    }

    #[test]
    fn a_detail_is_one_sentence_without_the_stack_of_the_host() {
        let detail = "it broke\n\nCaused by:\n    0: the pipe\n\nStack backtrace:\n   0: main";
        let (_, message) = explained(explain!(Code::InternalError(Some(detail.to_owned())), Code));
        assert_eq!(message, "the host failed: it broke: the pipe");
    }

    #[test]
    fn an_empty_detail_leaves_the_sentence() {
        assert_eq!(explained(explain!(Code::InternalError(None), Code)).1, "the host failed");
    }
}
