//! The functions of the host in this world that read the heads of messages.

#![allow(unsafe_code, reason = "the answers of the host are addresses in memory that was made for them")]

use http::Method;
use http::uri::Scheme;

use super::bindings::wasi::http::types as wasi;
use super::convert::{method_from_wasi, scheme_from_wasi};
use crate::sys::abi::head::{Heads, List, OptionalText};
use crate::sys::http::target::Invalid;

#[link(wasm_import_module = "wasi:http/types@0.2.6")]
unsafe extern "C" {
    #[link_name = "[method]fields.entries"]
    fn get_entries(fields: u32, answer: *mut List);
    #[link_name = "[method]incoming-request.authority"]
    fn get_authority(request: u32, answer: *mut OptionalText);
    #[link_name = "[method]incoming-request.path-with-query"]
    fn get_path_with_query(request: u32, answer: *mut OptionalText);
}

/// Reads the heads of messages with the functions of this world's host.
pub(super) enum WorldHeads {}

impl Heads for WorldHeads {
    type Fields = wasi::Fields;
    type IncomingRequest = wasi::IncomingRequest;

    const ENTRIES: unsafe extern "C" fn(u32, *mut List) = get_entries;
    const AUTHORITY: unsafe extern "C" fn(u32, *mut OptionalText) = get_authority;
    const PATH_WITH_QUERY: unsafe extern "C" fn(u32, *mut OptionalText) = get_path_with_query;

    fn handle_of_fields(fields: &wasi::Fields) -> u32 {
        fields.handle()
    }

    fn handle_of_request(request: &wasi::IncomingRequest) -> u32 {
        request.handle()
    }

    fn method(request: &wasi::IncomingRequest) -> Result<Method, Invalid> {
        method_from_wasi(request.method())
    }

    fn scheme(request: &wasi::IncomingRequest) -> Option<Result<Scheme, Invalid>> {
        request.scheme().map(scheme_from_wasi)
    }

    fn authority(request: &wasi::IncomingRequest) -> Option<String> {
        request.authority()
    }

    fn path_with_query(request: &wasi::IncomingRequest) -> Option<String> {
        request.path_with_query()
    }

    fn headers(request: &wasi::IncomingRequest) -> wasi::Fields {
        request.headers()
    }
}
