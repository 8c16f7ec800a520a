//! From the `http` crate's types to those of `wasi:http`, and back.
//!
//! A conversion that fails says why in a sentence; whoever called knows whom to tell.

use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, Method, StatusCode, header};

use super::bindings::wasi::http::types as wasi;
use super::imports::header_error;
use crate::body::sentence;
use crate::client::Kind;
use crate::error::Error;
use crate::length;

/// How many bytes of fields hosts take, counted as wasmtime counts them; over it they end the instance.
const FIELDS_LIMIT_BYTES: usize = 128 * 1024;
/// What wasmtime adds to the length of each name and value: the size of the structs that hold them.
const NAME_OVERHEAD_BYTES: usize = 32;
const VALUE_OVERHEAD_BYTES: usize = 40;
/// What is kept free for a `content-length`, which is added after the others; 2^64 has 20 digits.
const LENGTH_BYTES: usize = "content-length".len() + NAME_OVERHEAD_BYTES + 20 + VALUE_OVERHEAD_BYTES;

pub(super) fn bad_request(what: &str, why: impl std::fmt::Display) -> Error {
    Error::new(StatusCode::BAD_REQUEST, format!("the {what} of the request is not valid: {why}"))
}

pub(super) fn method_from_wasi(method: wasi::Method) -> Result<Method, Error> {
    Ok(match method {
        wasi::Method::Get => Method::GET,
        wasi::Method::Head => Method::HEAD,
        wasi::Method::Post => Method::POST,
        wasi::Method::Put => Method::PUT,
        wasi::Method::Delete => Method::DELETE,
        wasi::Method::Connect => Method::CONNECT,
        wasi::Method::Options => Method::OPTIONS,
        wasi::Method::Trace => Method::TRACE,
        wasi::Method::Patch => Method::PATCH,
        wasi::Method::Other(name) => {
            Method::from_bytes(name.as_bytes()).map_err(|error| bad_request("method", error))?
        }
    })
}

pub(super) fn method_into_wasi(method: &Method) -> wasi::Method {
    match *method {
        Method::GET => wasi::Method::Get,
        Method::HEAD => wasi::Method::Head,
        Method::POST => wasi::Method::Post,
        Method::PUT => wasi::Method::Put,
        Method::DELETE => wasi::Method::Delete,
        Method::CONNECT => wasi::Method::Connect,
        Method::OPTIONS => wasi::Method::Options,
        Method::TRACE => wasi::Method::Trace,
        Method::PATCH => wasi::Method::Patch,
        ref other => wasi::Method::Other(other.as_str().to_owned()),
    }
}

pub(super) fn method_name(method: &wasi::Method) -> &str {
    match method {
        wasi::Method::Get => "GET",
        wasi::Method::Head => "HEAD",
        wasi::Method::Post => "POST",
        wasi::Method::Put => "PUT",
        wasi::Method::Delete => "DELETE",
        wasi::Method::Connect => "CONNECT",
        wasi::Method::Options => "OPTIONS",
        wasi::Method::Trace => "TRACE",
        wasi::Method::Patch => "PATCH",
        wasi::Method::Other(name) => name,
    }
}

pub(super) fn scheme_into_wasi(scheme: &Scheme) -> wasi::Scheme {
    if *scheme == Scheme::HTTP {
        wasi::Scheme::Http
    } else if *scheme == Scheme::HTTPS {
        wasi::Scheme::Https
    } else {
        wasi::Scheme::Other(scheme.as_str().to_owned())
    }
}

/// Whether a request asks for the options of the whole server, as `OPTIONS *`.
///
/// A host may refuse the path `*`, because a URI with an authority has no such path. In full, that URI has an empty path (RFC
/// 9112, section 3.2.4).
pub(super) fn is_asterisk(method: &Method, path: &PathAndQuery) -> bool {
    *method == Method::OPTIONS && path == "*"
}

/// Fields as the host takes them, and the length that they declare.
///
/// What belongs to one connection only (RFC 9110, section 7.6.1) is left out, because hosts refuse it, and so is `host`,
/// which they make of the authority.
pub(super) fn headers_into_wasi(headers: &HeaderMap) -> Result<(wasi::Fields, Option<u64>), String> {
    let fields = wasi::Fields::new();
    let mut size = 0;
    let mut declared = None;
    let mut names_others = false;
    for (name, value) in headers {
        let text = name.as_str();
        if is_hop_by_hop(text) {
            names_others |= *name == header::CONNECTION;
            continue;
        }
        if *name == header::CONTENT_LENGTH {
            let is_first = length::note(&mut declared, value.as_bytes());
            if !is_first.map_err(|invalid| invalid.reason(value.as_bytes()))? {
                continue;
            }
            // Hosts take neither a second value nor a list.
            if length::number(value.as_bytes()).is_none() {
                append_content_length(&fields, declared.unwrap_or_default())?;
                continue;
            }
        }
        size += text.len() + NAME_OVERHEAD_BYTES + value.len() + VALUE_OVERHEAD_BYTES;
        if size > FIELDS_LIMIT_BYTES - LENGTH_BYTES {
            return Err(too_large(text));
        }
        append(&fields, text, value.as_bytes())?;
    }
    if names_others {
        delete_named_by_connection(&fields, headers);
    }
    Ok((fields, declared))
}

#[cold]
fn too_large(name: &str) -> String {
    format!("the fields are too large: `{name}` takes them beyond the {FIELDS_LIMIT_BYTES} bytes that hosts accept")
}

/// Adds a field, unless the host says that such fields are its own.
pub(super) fn append(fields: &wasi::Fields, name: &str, value: &[u8]) -> Result<(), String> {
    match fields.append(name, value) {
        Ok(()) | Err(wasi::HeaderError::Forbidden) => Ok(()),
        Err(error) => Err(format!("the host refused the field `{name}`: {}", header_error(error))),
    }
}

fn is_hop_by_hop(name: &str) -> bool {
    match name.len() {
        4 => name == "host",
        7 => name == "upgrade",
        10 => name == "connection" || name == "keep-alive",
        14 => name == "http2-settings",
        16 => name == "proxy-connection",
        17 => name == "transfer-encoding",
        18 => name == "proxy-authenticate",
        19 => name == "proxy-authorization",
        _ => false,
    }
}

#[cold]
fn delete_named_by_connection(fields: &wasi::Fields, headers: &HeaderMap) {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    for option in values.flat_map(|value| value.split(',')) {
        // What is no name, or may not be set, is not there.
        let _ = fields.delete(option.trim());
    }
}

fn append_content_length(fields: &wasi::Fields, length: u64) -> Result<(), String> {
    // The formatting of the standard library costs more than all the rest of an answer; 2^64 has 20 digits.
    let mut digits = [0; 20];
    let mut rest = length;
    let mut count = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        count += 1;
        if rest == 0 {
            break;
        }
    }
    let (_, digits) = digits.split_at(digits.len() - count);
    append(fields, "content-length", digits)
}

/// Changes the `content-length` of a message as its framing asks for.
pub(super) fn set_length(fields: &wasi::Fields, header: length::Header) -> Result<(), String> {
    match header {
        length::Header::Keep => Ok(()),
        length::Header::Add(length) => append_content_length(fields, length),
        length::Header::Remove => delete_content_length(fields),
        length::Header::Clear => {
            delete_content_length(fields)?;
            append_content_length(fields, 0)
        }
    }
}

fn delete_content_length(fields: &wasi::Fields) -> Result<(), String> {
    fields
        .delete(header::CONTENT_LENGTH.as_str())
        .map_err(|error| format!("the host refused to remove content-length: {}", header_error(error)))
}

/// The cause as a caller can tell it apart, and a sentence.
pub(super) fn error_from_wasi(code: wasi::ErrorCode) -> (Kind, String) {
    use wasi::ErrorCode as Code;
    let (kind, text, detail) = match code {
        Code::DnsTimeout => (Kind::Timeout, "the name lookup timed out", None),
        Code::DnsError(payload) => (Kind::Dns, "the name lookup failed", payload.rcode),
        Code::DestinationNotFound => (Kind::Dns, "the server was not found", None),
        Code::DestinationUnavailable => (Kind::Connect, "the server is unavailable", None),
        Code::DestinationIpProhibited => (Kind::Denied, "the server's address is prohibited", None),
        Code::DestinationIpUnroutable => (Kind::Connect, "the server's address cannot be routed to", None),
        Code::ConnectionRefused => (Kind::Connect, "the connection was refused", None),
        Code::ConnectionTerminated => (Kind::Incomplete, "the connection broke", None),
        Code::ConnectionTimeout => (Kind::Timeout, "the connection timed out", None),
        Code::ConnectionReadTimeout => (Kind::Timeout, "reading from the connection timed out", None),
        Code::ConnectionWriteTimeout => (Kind::Timeout, "writing to the connection timed out", None),
        Code::ConnectionLimitReached => (Kind::Connect, "the host has too many connections", None),
        Code::TlsProtocolError => (Kind::Tls, "TLS failed", None),
        Code::TlsCertificateError => (Kind::Tls, "the server's certificate was refused", None),
        Code::TlsAlertReceived(payload) => (Kind::Tls, "the server ended TLS with an alert", payload.alert_message),
        Code::HttpRequestDenied => (Kind::Denied, "the host denied the request", None),
        Code::HttpRequestLengthRequired => (Kind::Request, "the request needs a content-length", None),
        Code::HttpRequestBodySize(size) => (Kind::Request, "the request body has the wrong size", bytes_of(size)),
        Code::HttpRequestMethodInvalid => (Kind::Request, "the method is not valid", None),
        Code::HttpRequestUriInvalid => (Kind::Request, "the URL is not valid", None),
        Code::HttpRequestUriTooLong => (Kind::Request, "the URL is too long", None),
        Code::HttpRequestHeaderSectionSize(size) => (Kind::Request, "the request fields are too large", bytes_of(size)),
        Code::HttpRequestHeaderSize(payload) => {
            (Kind::Request, "a request field is too large", payload.and_then(|payload| payload.field_name))
        }
        Code::HttpRequestTrailerSectionSize(size) => {
            (Kind::Request, "the request trailers are too large", bytes_of(size))
        }
        Code::HttpRequestTrailerSize(payload) => (Kind::Request, "a request trailer is too large", payload.field_name),
        Code::HttpResponseIncomplete => (Kind::Incomplete, "the response broke off", None),
        Code::HttpResponseHeaderSectionSize(size) => {
            (Kind::Protocol, "the response fields are too large", bytes_of(size))
        }
        Code::HttpResponseHeaderSize(payload) => (Kind::Protocol, "a response field is too large", payload.field_name),
        Code::HttpResponseBodySize(size) => (Kind::Protocol, "the response body has the wrong size", bytes_of(size)),
        Code::HttpResponseTrailerSectionSize(size) => {
            (Kind::Protocol, "the response trailers are too large", bytes_of(size))
        }
        Code::HttpResponseTrailerSize(payload) => {
            (Kind::Protocol, "a response trailer is too large", payload.field_name)
        }
        Code::HttpResponseTransferCoding(coding) => (Kind::Protocol, "the transfer coding is unknown", coding),
        Code::HttpResponseContentCoding(coding) => (Kind::Protocol, "the content coding is unknown", coding),
        Code::HttpResponseTimeout => (Kind::Timeout, "the response timed out", None),
        Code::HttpUpgradeFailed => (Kind::Protocol, "the upgrade failed", None),
        Code::HttpProtocolError => (Kind::Protocol, "the server or the connection broke the rules of HTTP", None),
        Code::LoopDetected => (Kind::Request, "the request goes in a loop", None),
        Code::ConfigurationError => (Kind::Host, "the host is not configured for the request", None),
        Code::InternalError(detail) => (Kind::Host, "the host failed", detail),
    };
    let message = match detail {
        Some(detail) => format!("{text}: {}", sentence(&detail)),
        None => text.to_owned(),
    };
    (kind, message)
}

fn bytes_of(size: Option<impl std::fmt::Display>) -> Option<String> {
    size.map(|size| format!("{size} bytes"))
}
