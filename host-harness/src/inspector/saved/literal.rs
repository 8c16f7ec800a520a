//! Writes values as Rust expressions.

use http::{HeaderMap, HeaderValue};

use crate::inspector::plain_text::text;

/// Writes the value of a header, as a string if possible, otherwise as bytes.
pub(super) fn value(value: &HeaderValue) -> String {
    match value.to_str() {
        Ok(text) => format!("{text:?}"),
        Err(_) => format!("{}.as_slice()", bytes(value.as_bytes())),
    }
}

/// Writes a body, as a string if possible, otherwise as bytes.
pub(super) fn body(bytes: &[u8]) -> String {
    match text(bytes, false) {
        Some("") => "()".to_owned(),
        Some(text) => format!("{text:?}"),
        None => format!("{}.to_vec()", self::bytes(bytes)),
    }
}

pub(super) fn bytes(bytes: &[u8]) -> String {
    format!("b\"{}\"", bytes.escape_ascii())
}

/// Writes a header map.
pub(super) fn fields(fields: &HeaderMap) -> String {
    let field = |(name, value): (&http::HeaderName, &HeaderValue)| {
        let value = match value.to_str() {
            Ok(text) => format!("{text:?}.parse().unwrap()"),
            Err(_) => format!("HeaderValue::from_bytes({}).unwrap()", bytes(value.as_bytes())),
        };
        format!("({:?}.parse().unwrap(), {value})", name.as_str())
    };
    format!("HeaderMap::from_iter([{}])", fields.iter().map(field).collect::<Vec<_>>().join(", "))
}
