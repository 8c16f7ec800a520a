//! Conversions between the types of the `http` crate and those of this world.

use super::bindings::wasi::http::types as wasi;

crate::sys::abi::convert::conversions! {
    outgoing_request: wasi::Request,
    header_error {
        wasi::HeaderError::InvalidSyntax => "its name or value is not valid",
        wasi::HeaderError::Immutable => "the fields cannot be changed",
        wasi::HeaderError::SizeExceeded => "it takes the fields beyond the size that the host accepts",
        wasi::HeaderError::Other(_) => "the host does not say why",
    }
}
