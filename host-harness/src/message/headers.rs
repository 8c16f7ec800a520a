//! Headers whose values are lists, and headers that apply to one connection only.

use http::{HeaderMap, HeaderValue, header};

/// Returns the elements of a list header, over all its lines, without empty ones (RFC 9110, section 5.6.1).
pub(crate) fn elements<'a>(values: impl Iterator<Item = &'a HeaderValue>) -> impl Iterator<Item = &'a [u8]> {
    let elements = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// Quotes untrusted bytes for a message: in backticks, escaped, and truncated.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    const MAX_BYTES: usize = 100;
    let cut = if bytes.len() > MAX_BYTES { "…" } else { "" };
    format!("`{}{cut}`", bytes[..bytes.len().min(MAX_BYTES)].escape_ascii())
}

/// Removes the headers that a `Connection` header names (RFC 9110, section 7.6.1).
///
/// Components never see `Connection`, so they could not remove these themselves.
pub(crate) fn remove_connection_fields(headers: &mut HeaderMap) {
    let options = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let names: Vec<String> =
        options.flat_map(|value| value.split(',')).map(|option| option.trim().to_ascii_lowercase()).collect();
    for name in names {
        headers.remove(name.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_bytes_are_cut_and_escaped() {
        assert_eq!(quoted(b"a\xff"), r"`a\xff`");
        assert_eq!(quoted(&[b'x'; 200]), format!("`{}…`", "x".repeat(100)));
    }
}
