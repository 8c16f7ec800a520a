//! Recognizes bodies that are text.

/// Returns the bytes as text if they are UTF-8 without NUL. If the bytes are `cut`, leaves out an incomplete character
/// at their end.
pub(super) fn text(bytes: &[u8], cut: bool) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if cut && error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok(),
        Err(_) => None,
    }
    .filter(|text| !text.contains('\0'))
}
