//! What WASI 0.2 calls otherwise than 0.3, for the files that both share.

#![allow(unsafe_code, reason = "the answers of the host are addresses in memory that was made for them")]

use super::bindings::wasi::http::types as wasi;
use super::head::{List, OptionalText};

pub(super) use wasi::IncomingRequest;

#[link(wasm_import_module = "wasi:http/types@0.2.6")]
unsafe extern "C" {
    #[link_name = "[method]fields.entries"]
    pub(super) fn get_entries(fields: u32, answer: *mut List);
    #[link_name = "[method]incoming-request.authority"]
    pub(super) fn get_authority(request: u32, answer: *mut OptionalText);
    #[link_name = "[method]incoming-request.path-with-query"]
    pub(super) fn get_path_with_query(request: u32, answer: *mut OptionalText);
}

pub(super) fn method(request: &IncomingRequest) -> wasi::Method {
    request.method()
}

pub(super) fn scheme(request: &IncomingRequest) -> Option<wasi::Scheme> {
    request.scheme()
}

pub(super) fn authority(request: &IncomingRequest) -> Option<String> {
    request.authority()
}

pub(super) fn path_with_query(request: &IncomingRequest) -> Option<String> {
    request.path_with_query()
}

pub(super) fn headers(request: &IncomingRequest) -> wasi::Headers {
    request.headers()
}

pub(super) fn header_error(error: wasi::HeaderError) -> &'static str {
    match error {
        wasi::HeaderError::InvalidSyntax => "its name or value is not valid",
        wasi::HeaderError::Forbidden => "it may not be set",
        wasi::HeaderError::Immutable => "the fields cannot be changed",
    }
}
