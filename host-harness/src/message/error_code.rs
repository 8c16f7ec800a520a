//! The error codes of `wasi:http`, with the names that WIT gives them.

use std::fmt;

use wasmtime_wasi_http::Error as HostError;

/// The parts of an error code. Each code has a name; some codes carry a string, a number, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: &'static str,
    pub(crate) text: Option<String>,
    pub(crate) number: Option<u64>,
}

/// Defines [`ErrorCode`] and its conversions from one table of the codes.
macro_rules! codes {
    (
        plain { $($plain_name:literal $plain:ident,)* }
        text { $($text_name:literal $text:ident,)* }
        number { $($number_name:literal $number:ident $number_type:ty,)* }
        both { $($both_name:literal $both:ident { $both_text:ident, $both_number:ident: $both_type:ty },)* }
    ) => {
        /// The reason why an outbound call failed, as the component gets it: the codes of `wasi:http/types.error-code`.
        ///
        /// `Display` writes the name that WIT gives the code and the detail that the code carries, such as in
        /// `DNS-error: NXDOMAIN`.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        #[expect(missing_docs, reason = "the names are those of WIT, which documents them")]
        pub enum ErrorCode {
            $($plain,)*
            $($text(Option<String>),)*
            $($number(Option<$number_type>),)*
            $($both { $both_text: Option<String>, $both_number: Option<$both_type> },)*
        }

        impl ErrorCode {
            /// Converts an error of wasmtime. An error that has no such code becomes `internal-error` with its message.
            pub(crate) fn from_host(error: HostError) -> Self {
                match error {
                    $(HostError::$plain => Self::$plain,)*
                    $(HostError::$text(text) => Self::$text(text),)*
                    $(HostError::$number(number) => Self::$number(number),)*
                    $(HostError::$both { $both_text, $both_number } => Self::$both { $both_text, $both_number },)*
                    other => Self::InternalError(Some(other.to_string())),
                }
            }

            pub(crate) fn into_host(self) -> HostError {
                match self {
                    $(Self::$plain => HostError::$plain,)*
                    $(Self::$text(text) => HostError::$text(text),)*
                    $(Self::$number(number) => HostError::$number(number),)*
                    $(Self::$both { $both_text, $both_number } => HostError::$both { $both_text, $both_number },)*
                }
            }
        }

        const NAMES: &[&str] = &[$($plain_name,)* $($text_name,)* $($number_name,)* $($both_name,)*];

        /// Splits a code into its parts.
        pub(crate) fn named(code: &ErrorCode) -> Named {
            let (name, text, number) = match code {
                $(ErrorCode::$plain => ($plain_name, None, None),)*
                $(ErrorCode::$text(text) => ($text_name, text.clone(), None),)*
                $(ErrorCode::$number(number) => ($number_name, None, number.map(u64::from)),)*
                $(ErrorCode::$both { $both_text: text, $both_number: number } => {
                    ($both_name, text.clone(), number.map(u64::from))
                })*
            };
            Named { name, text, number }
        }

        /// Formats a code as a Rust expression.
        pub(crate) fn source(code: &ErrorCode) -> String {
            match code {
                $(ErrorCode::$plain => concat!("ErrorCode::", stringify!($plain)).to_owned(),)*
                $(ErrorCode::$text(text) => format!("ErrorCode::{}({})", stringify!($text), text_source(text.as_deref())),)*
                $(ErrorCode::$number(number) => format!("ErrorCode::{}({number:?})", stringify!($number)),)*
                $(ErrorCode::$both { $both_text: text, $both_number: number } => format!(
                    "ErrorCode::{} {{ {}: {}, {}: {number:?} }}",
                    stringify!($both),
                    stringify!($both_text),
                    text_source(text.as_deref()),
                    stringify!($both_number),
                ),)*
            }
        }

        /// Makes a code from its parts. The case of the name does not matter.
        pub(crate) fn from_parts(name: &str, text: Option<String>, number: Option<u64>) -> Result<ErrorCode, String> {
            let name = NAMES.iter().find(|known| known.eq_ignore_ascii_case(name)).copied().unwrap_or(name);
            let (has_text, has_number) = (text.is_some(), number.is_some());
            let (code, takes_text, takes_number) = match name {
                $($plain_name => (ErrorCode::$plain, false, false),)*
                $($text_name => (ErrorCode::$text(text), true, false),)*
                $($number_name => (ErrorCode::$number(fitting::<$number_type>(name, number)?), false, true),)*
                $($both_name => (
                    ErrorCode::$both { $both_text: text, $both_number: fitting::<$both_type>(name, number)? },
                    true,
                    true,
                ),)*
                _ => return Err(format!("`{name}` is not an error code; the codes are {}", NAMES.join(", "))),
            };
            if has_text && !takes_text {
                return Err(format!("the error code `{name}` carries no text"));
            }
            if has_number && !takes_number {
                return Err(format!("the error code `{name}` carries no number"));
            }
            Ok(code)
        }
    };
}

codes! {
    plain {
        "DNS-timeout" DnsTimeout,
        "destination-not-found" DestinationNotFound,
        "destination-unavailable" DestinationUnavailable,
        "destination-IP-prohibited" DestinationIpProhibited,
        "destination-IP-unroutable" DestinationIpUnroutable,
        "connection-refused" ConnectionRefused,
        "connection-terminated" ConnectionTerminated,
        "connection-timeout" ConnectionTimeout,
        "connection-read-timeout" ConnectionReadTimeout,
        "connection-write-timeout" ConnectionWriteTimeout,
        "connection-limit-reached" ConnectionLimitReached,
        "TLS-protocol-error" TlsProtocolError,
        "TLS-certificate-error" TlsCertificateError,
        "HTTP-request-denied" HttpRequestDenied,
        "HTTP-request-length-required" HttpRequestLengthRequired,
        "HTTP-request-method-invalid" HttpRequestMethodInvalid,
        "HTTP-request-URI-invalid" HttpRequestUriInvalid,
        "HTTP-request-URI-too-long" HttpRequestUriTooLong,
        "HTTP-response-incomplete" HttpResponseIncomplete,
        "HTTP-response-timeout" HttpResponseTimeout,
        "HTTP-upgrade-failed" HttpUpgradeFailed,
        "HTTP-protocol-error" HttpProtocolError,
        "loop-detected" LoopDetected,
        "configuration-error" ConfigurationError,
    }
    text {
        "HTTP-response-transfer-coding" HttpResponseTransferCoding,
        "HTTP-response-content-coding" HttpResponseContentCoding,
        "internal-error" InternalError,
    }
    number {
        "HTTP-request-body-size" HttpRequestBodySize u64,
        "HTTP-request-header-section-size" HttpRequestHeaderSectionSize u32,
        "HTTP-request-trailer-section-size" HttpRequestTrailerSectionSize u32,
        "HTTP-response-header-section-size" HttpResponseHeaderSectionSize u32,
        "HTTP-response-body-size" HttpResponseBodySize u64,
        "HTTP-response-trailer-section-size" HttpResponseTrailerSectionSize u32,
    }
    both {
        "DNS-error" DnsError { rcode, info_code: u16 },
        "TLS-alert-received" TlsAlertReceived { alert_message, alert_id: u8 },
        "HTTP-request-header-size" HttpRequestHeaderSize { field_name, field_size: u32 },
        "HTTP-request-trailer-size" HttpRequestTrailerSize { field_name, field_size: u32 },
        "HTTP-response-header-size" HttpResponseHeaderSize { field_name, field_size: u32 },
        "HTTP-response-trailer-size" HttpResponseTrailerSize { field_name, field_size: u32 },
    }
}

fn fitting<T: TryFrom<u64>>(name: &str, number: Option<u64>) -> Result<Option<T>, String> {
    let number = number.map(|number| T::try_from(number).map_err(|_| number)).transpose();
    number.map_err(|number| format!("the number {number} is too large for the error code `{name}`"))
}

fn text_source(text: Option<&str>) -> String {
    text.map_or_else(|| "None".to_owned(), |text| format!("Some({text:?}.to_owned())"))
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Named { name, text, number } = named(self);
        f.write_str(name)?;
        if let Some(text) = text {
            write!(f, ": {text}")?;
        }
        match number {
            Some(number) => write!(f, " ({number})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ErrorCode {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back_from_its_name() {
        for name in NAMES {
            let code = from_parts(name, None, None).unwrap();
            assert_eq!(named(&code), Named { name, text: None, number: None });
            assert_eq!(ErrorCode::from_host(code.clone().into_host()), code);
            assert!(from_parts(&name.to_ascii_lowercase(), None, None).is_ok());
        }
    }

    #[test]
    fn what_a_code_carries_comes_back() {
        let code = ErrorCode::DnsError { rcode: Some("NXDOMAIN".to_owned()), info_code: Some(3) };
        let parts = named(&code);
        assert_eq!((parts.text.as_deref(), parts.number), (Some("NXDOMAIN"), Some(3)));
        assert_eq!(named(&from_parts(parts.name, parts.text.clone(), parts.number).unwrap()), parts);
    }

    #[test]
    fn a_code_is_written_as_rust_reads_it() {
        let text = || Some("a \"b\"".to_owned());
        for (code, expected) in [
            (ErrorCode::ConnectionRefused, "ErrorCode::ConnectionRefused"),
            (ErrorCode::InternalError(text()), r#"ErrorCode::InternalError(Some("a \"b\"".to_owned()))"#),
            (ErrorCode::HttpRequestBodySize(Some(3)), "ErrorCode::HttpRequestBodySize(Some(3))"),
            (
                ErrorCode::TlsAlertReceived { alert_id: Some(40), alert_message: None },
                "ErrorCode::TlsAlertReceived { alert_message: None, alert_id: Some(40) }",
            ),
        ] {
            assert_eq!(source(&code), expected);
        }
    }

    #[test]
    fn a_code_is_shown_with_its_name_and_its_detail() {
        let text = || Some("NXDOMAIN".to_owned());
        for (code, expected) in [
            (ErrorCode::ConnectionRefused, "connection-refused"),
            (ErrorCode::InternalError(text()), "internal-error: NXDOMAIN"),
            (ErrorCode::HttpRequestBodySize(Some(3)), "HTTP-request-body-size (3)"),
            (ErrorCode::DnsError { rcode: text(), info_code: Some(3) }, "DNS-error: NXDOMAIN (3)"),
        ] {
            assert_eq!(code.to_string(), expected);
        }
    }

    #[test]
    fn an_error_without_a_code_is_an_internal_error() {
        let error = HostError::Connect(std::io::Error::other("no route"));
        assert!(matches!(ErrorCode::from_host(error), ErrorCode::InternalError(Some(_))));
    }

    #[test]
    fn what_a_code_cannot_carry_is_refused() {
        assert!(from_parts("loop-detected", Some("x".to_owned()), None).unwrap_err().contains("no text"));
        assert!(from_parts("internal-error", None, Some(1)).unwrap_err().contains("no number"));
        assert!(from_parts("TLS-alert-received", None, Some(256)).unwrap_err().contains("too large"));
        assert!(from_parts("connection-refuse", None, None).unwrap_err().contains("connection-refused"));
    }
}
