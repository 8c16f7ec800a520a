//! Size limits of the head and the trailers of a request.
//!
//! The limits are the same for every version of HTTP. A header counts as many bytes as it takes in HTTP/1.1. `Host`
//! does not count, because HTTP/2 sends it as a part of the target.

use http::{HeaderMap, Request, StatusCode, header};

use super::Refusal;

/// The most headers of a head besides `Host`, and the most trailers.
const FIELDS: usize = 100;
/// The most bytes of the headers in a request head: half of wasmtime's limit for headers that a component creates.
const HEAD_BYTES: usize = 64 * 1024;
/// The most bytes of trailers: hyper's limit for HTTP/1.1.
pub(crate) const TRAILER_BYTES: u32 = 16 * 1024;
/// The most bytes of path and query together. RFC 9110, section 4.1, requires at least 8000.
const TARGET_BYTES: usize = 32 * 1024;

/// The most headers that hyper may parse over HTTP/1.1. hyper answers more headers with a 431 response without a body.
/// This number is well above `FIELDS`, so that such requests mostly get the server's own response.
pub(crate) const PARSED_FIELDS: usize = 1000;
/// The most bytes of headers that hyper may parse over HTTP/2, counted as in RFC 9113, section 6.5.2.
pub(crate) const PARSED_LIST_BYTES: u32 = 1024 * 1024;

pub(super) fn check<B>(request: &Request<B>) -> Result<(), Refusal> {
    let target_bytes = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target_bytes > TARGET_BYTES {
        return Err(Refusal::new(
            StatusCode::URI_TOO_LONG,
            format!("the path and the query have {target_bytes} bytes; this server takes at most {TARGET_BYTES} bytes"),
        ));
    }
    match excess(request.headers(), HEAD_BYTES) {
        None => Ok(()),
        Some(reason) => {
            Err(Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, format!("the head has {reason}")))
        }
    }
}

/// Whether trailers exceed their limits.
pub(crate) fn are_too_large_trailers(trailers: &HeaderMap) -> bool {
    // hyper also counts the empty line after the trailers, and already rejects trailers that reach the limit.
    excess(trailers, TRAILER_BYTES as usize - "\r\n".len() - 1).is_some()
}

fn excess(fields: &HeaderMap, most_bytes: usize) -> Option<String> {
    let (mut count, mut bytes) = (0, 0);
    for (name, value) in fields.iter().filter(|(name, _)| *name != header::HOST) {
        count += 1;
        bytes += name.as_str().len() + ": ".len() + value.len() + "\r\n".len();
    }
    if count > FIELDS {
        return Some(format!("{count} fields; this server takes at most {FIELDS} besides Host"));
    }
    (bytes > most_bytes).then(|| format!("fields of {bytes} bytes; this server takes at most {most_bytes} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    /// Creates `count` headers that take `bytes` bytes together.
    fn fields(count: usize, bytes: usize) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "a.test".parse().unwrap());
        for number in 0..count {
            let name = HeaderName::try_from(format!("x{number:03}")).unwrap();
            let share = bytes / count + if number == 0 { bytes % count } else { 0 };
            headers.insert(name, "v".repeat(share - "x000: \r\n".len()).parse().unwrap());
        }
        headers
    }

    fn status(headers: HeaderMap) -> u16 {
        let mut request = Request::new(());
        *request.headers_mut() = headers;
        check(&request).err().map_or(200, |refusal| refusal.status.as_u16())
    }

    #[test]
    fn a_head_has_its_limits_and_no_more() {
        assert_eq!(status(fields(FIELDS, 1000)), 200);
        assert_eq!(status(fields(FIELDS + 1, 2000)), 431);
        for count in [1, 10, FIELDS] {
            assert_eq!(status(fields(count, HEAD_BYTES)), 200);
            assert_eq!(status(fields(count, HEAD_BYTES + 1)), 431);
        }
    }

    #[test]
    fn trailers_have_their_limits_and_no_more() {
        assert!(!are_too_large_trailers(&fields(FIELDS, TRAILER_BYTES as usize - 3)));
        assert!(are_too_large_trailers(&fields(FIELDS, TRAILER_BYTES as usize - 2)));
        assert!(are_too_large_trailers(&fields(FIELDS + 1, 2000)));
    }

    #[test]
    fn a_target_has_its_limit_and_no_more() {
        for (bytes, expected) in [(TARGET_BYTES, 200), (TARGET_BYTES + 1, 414)] {
            let request = Request::get(format!("/{}", "p".repeat(bytes - 1))).body(()).unwrap();
            assert_eq!(check(&request).err().map_or(200, |refusal| refusal.status.as_u16()), expected);
        }
    }
}
