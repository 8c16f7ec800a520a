//! Problem documents (RFC 9457).

use http::StatusCode;

/// The media type of a problem document (RFC 9457, section 6.1).
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// The problem document of a status 500 without a detail.
pub(crate) const INTERNAL: &str = r#"{"title":"Internal Server Error","status":500}"#;

/// Returns a problem document (RFC 9457) of the type `about:blank`. Its title is the standard phrase for the status,
/// such as "Not Found".
pub(crate) fn problem(status: StatusCode, detail: Option<&str>) -> String {
    let mut json = String::with_capacity(64 + detail.map_or(0, str::len));
    json.push_str("{\"title\":\"");
    json.push_str(status.canonical_reason().unwrap_or("Unknown"));
    json.push_str("\",\"status\":");
    json.push_str(status.as_str());
    if let Some(detail) = detail {
        json.push_str(",\"detail\":\"");
        detail.chars().for_each(|c| push_escaped(&mut json, c));
        json.push('"');
    }
    json.push('}');
    json
}

/// Appends a character of a JSON string, escaped as RFC 8259, section 7, requires. The SDK depends on `serde_json`
/// only with the feature `json`, so it escapes by hand.
fn push_escaped(json: &mut String, c: char) {
    match c {
        '"' => json.push_str("\\\""),
        '\\' => json.push_str("\\\\"),
        c if c.is_control() => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                json.push_str("\\u");
                for shift in [12, 8, 4, 0] {
                    let digit = u32::from(*unit >> shift & 0xf);
                    json.extend(char::from_digit(digit, 16));
                }
            }
        }
        c => json.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_without_a_detail_has_title_and_status() {
        assert_eq!(problem(StatusCode::NOT_FOUND, None), r#"{"title":"Not Found","status":404}"#);
        assert_eq!(problem(StatusCode::INTERNAL_SERVER_ERROR, None), INTERNAL);
    }

    #[test]
    fn an_unregistered_status_has_an_unknown_title() {
        assert_eq!(problem(StatusCode::from_u16(599).unwrap(), None), r#"{"title":"Unknown","status":599}"#);
    }

    #[test]
    fn a_character_outside_of_the_basic_plane_is_kept() {
        assert!(problem(StatusCode::OK, Some("\u{1f600}")).ends_with("\"detail\":\"\u{1f600}\"}"));
    }

    #[test]
    fn a_problem_document_escapes_what_json_cannot_hold() {
        let detail = "a \"quoted\" \\ line\nand \u{7f}";
        let document = problem(StatusCode::BAD_REQUEST, Some(detail));
        assert_eq!(document, r#"{"title":"Bad Request","status":400,"detail":"a \"quoted\" \\ line\u000aand \u007f"}"#);
    }
}
