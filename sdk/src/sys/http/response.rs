//! The head of a response.

use http::StatusCode;

use super::framing::{self, Framing, Known};
use super::headers::{self, HostHeaders};

/// Checks the status and the length of a response, and writes the `content-length` that its framing needs.
///
/// `set_length` is the `content-length` that the handler set.
pub(crate) fn write_length(
    fields: &impl HostHeaders,
    status: StatusCode,
    is_head: bool,
    set_length: Option<u64>,
    body: Known,
) -> Result<Framing, String> {
    let framing = framing::of_response(status, is_head, set_length, body)?;
    headers::set_length(fields, framing.header)?;
    Ok(framing)
}

/// Reads the status of a response from an upstream.
///
/// # Errors
///
/// Fails if the number is not in the range from 100 to 999.
pub(crate) fn status(number: u16) -> Result<StatusCode, String> {
    StatusCode::from_u16(number).map_err(|error| error.to_string())
}

/// Returns the length that an upstream's response declares for its body. `declared` is its `content-length`.
///
/// A response to HEAD and one with the status 204 or 304 have no body. Their `content-length` describes the response
/// that a GET request would get (RFC 9110, section 8.6).
pub(crate) fn body_length(status: StatusCode, is_head: bool, declared: Option<u64>) -> Option<u64> {
    if is_head || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED { Some(0) } else { declared }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::super::headers::Refused;
    use super::*;

    #[derive(Default)]
    struct Fake(RefCell<Vec<String>>);

    impl HostHeaders for Fake {
        fn append(&self, name: &str, value: &[u8]) -> Result<(), Refused> {
            self.0.borrow_mut().push(format!("{name}: {}", value.escape_ascii()));
            Ok(())
        }

        fn delete(&self, name: &str) -> Result<(), Refused> {
            self.0.borrow_mut().push(format!("-{name}"));
            Ok(())
        }
    }

    fn written(status: StatusCode, is_head: bool, set_length: Option<u64>) -> Result<Vec<String>, String> {
        let fields = Fake::default();
        let known = Known { length: Some(5), has_trailers: false };
        write_length(&fields, status, is_head, set_length, known)?;
        Ok(fields.0.into_inner())
    }

    #[test]
    fn a_body_of_known_length_adds_a_content_length() {
        assert_eq!(written(StatusCode::OK, false, None).unwrap(), ["content-length: 5"]);
    }

    #[test]
    fn a_true_content_length_is_kept() {
        assert!(written(StatusCode::OK, false, Some(5)).unwrap().is_empty());
    }

    #[test]
    fn a_false_content_length_is_refused() {
        assert!(written(StatusCode::OK, false, Some(4)).is_err());
    }

    #[test]
    fn a_response_of_204_loses_its_content_length() {
        assert_eq!(written(StatusCode::NO_CONTENT, false, Some(5)).unwrap(), ["-content-length"]);
    }

    #[test]
    fn a_response_of_205_has_length_zero() {
        let cleared = written(StatusCode::RESET_CONTENT, false, Some(5)).unwrap();
        assert_eq!(cleared, ["-content-length", "content-length: 0"]);
    }

    #[test]
    fn an_interim_status_is_refused() {
        let error = written(StatusCode::CONTINUE, false, None).unwrap_err();
        assert_eq!(error, "the handler answered with the interim status 100, which is no answer");
    }

    #[test]
    fn a_status_has_three_digits() {
        assert_eq!(status(200).unwrap(), StatusCode::OK);
        assert_eq!(status(999).unwrap().as_u16(), 999);
        for number in [0, 99, 1000, u16::MAX] {
            assert!(status(number).is_err(), "{number}");
        }
    }

    #[test]
    fn the_declared_length_is_that_of_the_body() {
        assert_eq!(body_length(StatusCode::OK, false, Some(5)), Some(5));
        assert_eq!(body_length(StatusCode::OK, false, None), None);
        assert_eq!(body_length(StatusCode::RESET_CONTENT, false, Some(5)), Some(5));
    }

    #[test]
    fn responses_without_a_body_have_length_zero() {
        assert_eq!(body_length(StatusCode::OK, true, Some(5)), Some(0));
        assert_eq!(body_length(StatusCode::NO_CONTENT, false, None), Some(0));
        assert_eq!(body_length(StatusCode::NOT_MODIFIED, false, Some(5)), Some(0));
    }
}
