//! The boundary between the parts of a form.

use http::StatusCode;

use crate::Error;
use crate::sys::http::parameters::Parameters;

/// The maximum length of a boundary (RFC 2046, section 5.1.1).
const MAX_BYTES: usize = 70;

/// The characters that a boundary may contain besides letters and digits.
const PUNCTUATION: &[u8] = b"'()+_,-./:=? ";

/// Returns the boundary in a `content-type`.
///
/// Fails with 415 if the media type is not `multipart/form-data` or the boundary is missing. Fails with 400 if the
/// boundary is invalid.
pub(super) fn of_form(content_type: &[u8]) -> Result<Vec<u8>, Error> {
    let not_a_form = || {
        Error::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the request body must have the content-type multipart/form-data with a boundary",
        )
    };
    let parameters = Parameters::read(content_type).ok_or_else(not_a_form)?;
    let boundary = parameters.get("boundary").filter(|_| parameters.value == "multipart/form-data");
    let boundary = boundary.ok_or_else(not_a_form)?;
    if !is_valid(boundary) {
        let detail = format!(
            "the boundary `{}` of the content-type is not valid: write 1 to {MAX_BYTES} letters, digits or characters \
             of `'()+_,-./:=?`",
            boundary.escape_ascii()
        );
        return Err(Error::new(StatusCode::BAD_REQUEST, detail));
    }
    Ok(boundary.to_vec())
}

fn is_valid(boundary: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || PUNCTUATION.contains(byte);
    (1..=MAX_BYTES).contains(&boundary.len()) && boundary.iter().all(is_allowed) && !boundary.ends_with(b" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(content_type: &str) -> u16 {
        of_form(content_type.as_bytes()).unwrap_err().status().as_u16()
    }

    #[test]
    fn a_boundary_may_be_quoted() {
        for (content_type, boundary) in [
            ("multipart/form-data; boundary=cut", "cut"),
            ("Multipart/Form-Data;Boundary=\"cut\"", "cut"),
            ("multipart/form-data; charset=utf-8; boundary=\"a b:c=d\"", "a b:c=d"),
            (
                "multipart/form-data; boundary=--WebKitFormBoundary7MA4YWxkTrZu0gW",
                "--WebKitFormBoundary7MA4YWxkTrZu0gW",
            ),
        ] {
            assert_eq!(of_form(content_type.as_bytes()).unwrap(), boundary.as_bytes());
        }
    }

    #[test]
    fn a_boundary_has_1_to_70_characters() {
        let of_length = |length| format!("multipart/form-data; boundary=\"{}\"", "b".repeat(length));
        assert_eq!(of_form(of_length(70).as_bytes()).unwrap().len(), 70);
        assert_eq!(status(&of_length(0)), 400);
        assert_eq!(status(&of_length(71)), 400);
    }

    #[test]
    fn a_boundary_has_no_other_characters_and_ends_with_no_space() {
        for boundary in ["cut ", "cu\u{e9}t", "a*b", "a;b", "a\\\"b", "a\tb"] {
            assert_eq!(status(&format!("multipart/form-data; boundary=\"{boundary}\"")), 400, "{boundary}");
        }
    }

    #[test]
    fn what_is_no_form_is_415() {
        for content_type in
            ["", "text/plain", "multipart/form-data", "multipart/mixed; boundary=cut", "multipart/form-data; boundary"]
        {
            assert_eq!(status(content_type), 415, "{content_type}");
        }
    }
}
