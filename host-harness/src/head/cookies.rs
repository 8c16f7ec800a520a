//! Cookies that HTTP/2 sends in several headers.

use http::{HeaderValue, Request, Version, header};

/// Joins the cookie headers of HTTP/2 into the one header that HTTP/1.1 and components expect (RFC 9113, section
/// 8.2.3).
pub(super) fn join<B>(request: &mut Request<B>) {
    if request.version() < Version::HTTP_2 {
        return;
    }
    let headers = request.headers_mut();
    let crumbs: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() < 2 {
        return;
    }
    // Valid values stay valid with `; ` between them.
    if let Ok(cookie) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(header::COOKIE, cookie);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(version: Version, crumbs: &[&str]) -> Vec<String> {
        let mut request = Request::new(());
        *request.version_mut() = version;
        for crumb in crumbs {
            request.headers_mut().append(header::COOKIE, HeaderValue::from_str(crumb).unwrap());
        }
        join(&mut request);
        let cookies = request.headers().get_all(header::COOKIE).iter();
        cookies.map(|cookie| cookie.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn crumbs_of_http_2_and_3_are_joined_in_order() {
        for version in [Version::HTTP_2, Version::HTTP_3] {
            assert_eq!(cookies(version, &["a=1", "b=2", "a=3"]), ["a=1; b=2; a=3"]);
            assert_eq!(cookies(version, &["a=1"]), ["a=1"]);
            assert!(cookies(version, &[]).is_empty());
        }
    }

    #[test]
    fn cookies_of_http_1_stay_apart() {
        assert_eq!(cookies(Version::HTTP_11, &["a=1", "b=2"]), ["a=1", "b=2"]);
    }
}
