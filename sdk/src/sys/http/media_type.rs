//! The media type of a message (RFC 9110, section 8.3).

use http::{HeaderMap, header};

/// Returns the media type in `content-type`, in lower case and without parameters. Returns an empty string if there is
/// no `content-type`.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Returns the parameter `charset` of `content-type`. Returns `None` if there is none, or if the header is malformed.
#[cfg(feature = "charset")]
pub(crate) fn charset(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = headers.get(header::CONTENT_TYPE)?;
    super::parameters::Parameters::read(value.as_bytes())?.get("charset").map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(content_type: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))])
    }

    #[test]
    fn a_media_type_has_lower_case_and_no_parameters() {
        assert_eq!(media_type(&headers("Text/HTML ; charset=utf-8")), "text/html");
        assert_eq!(media_type(&HeaderMap::new()), "");
    }

    #[cfg(feature = "charset")]
    #[test]
    fn a_charset_may_be_quoted() {
        for value in ["text/plain; charset=latin1", "text/plain; a=b; Charset=\"latin1\""] {
            assert_eq!(charset(&headers(value)).as_deref(), Some(&b"latin1"[..]));
        }
        for value in ["text/plain", "text/plain; charset", "text/plain; charset=a; charset=b"] {
            assert_eq!(charset(&headers(value)), None, "{value}");
        }
    }
}
