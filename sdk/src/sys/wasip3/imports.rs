//! What WASI 0.3 calls otherwise than 0.2, for the files that both share.

#![allow(unsafe_code, reason = "the answers of the host are addresses in memory that was made for them")]

use super::bindings::wasi::http::types as wasi;
use super::head::{List, OptionalText};

pub(super) use wasi::Request as IncomingRequest;

#[link(wasm_import_module = "wasi:http/types@0.3.0")]
unsafe extern "C" {
    #[link_name = "[method]fields.copy-all"]
    pub(super) fn get_entries(fields: u32, answer: *mut List);
    #[link_name = "[method]request.get-authority"]
    pub(super) fn get_authority(request: u32, answer: *mut OptionalText);
    #[link_name = "[method]request.get-path-with-query"]
    pub(super) fn get_path_with_query(request: u32, answer: *mut OptionalText);
}

pub(super) fn method(request: &IncomingRequest) -> wasi::Method {
    request.get_method()
}

pub(super) fn scheme(request: &IncomingRequest) -> Option<wasi::Scheme> {
    request.get_scheme()
}

pub(super) fn authority(request: &IncomingRequest) -> Option<String> {
    request.get_authority()
}

pub(super) fn path_with_query(request: &IncomingRequest) -> Option<String> {
    request.get_path_with_query()
}

pub(super) fn headers(request: &IncomingRequest) -> wasi::Headers {
    request.get_headers()
}

pub(super) fn header_error(error: wasi::HeaderError) -> &'static str {
    match error {
        wasi::HeaderError::InvalidSyntax => "its name or value is not valid",
        wasi::HeaderError::Forbidden => "it may not be set",
        wasi::HeaderError::Immutable => "the fields cannot be changed",
        wasi::HeaderError::SizeExceeded => "it takes the fields beyond the size that the host accepts",
        wasi::HeaderError::Other(_) => "the host does not say why",
    }
}
