//! Redirects (RFC 9110, section 15.4).

use http::uri::PathAndQuery;
use http::{HeaderMap, Method, StatusCode, Uri, header};

use super::{Error, Kind};
use crate::{Body, Request, Response};

/// What is kept of a request, to send it again.
pub(super) struct Again {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    /// Missing where the body streams, and cannot be sent twice.
    body: Option<bytes::Bytes>,
}

/// What follows a response.
pub(super) enum Next {
    Done,
    Request(Box<Request>),
}

impl Again {
    pub(super) fn of(request: &Request) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            body: request.body().share(),
        }
    }

    /// The request that a redirect asks for.
    pub(super) fn next(self, response: &Response) -> Result<Next, Error> {
        let Self { method, uri, mut headers, body } = self;
        let (method, body) = match response.status() {
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND if method == Method::POST => (Method::GET, None),
            StatusCode::SEE_OTHER if method != Method::HEAD => (Method::GET, None),
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => match body {
                Some(body) => (method, Some(body)),
                None => return Ok(Next::Done),
            },
            _ => return Ok(Next::Done),
        };
        let Some(location) = response.headers().get(header::LOCATION) else {
            return Ok(Next::Done);
        };
        let nowhere = || {
            let location = location.as_bytes().escape_ascii();
            Error::new(Kind::Redirect, format!("the redirect to `{location}` leads nowhere")).with_target(&method, &uri)
        };
        let target = location.to_str().ok().and_then(|location| resolve(&uri, location)).ok_or_else(nowhere)?;
        if !same_origin(&uri, &target) {
            for secret in [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION] {
                headers.remove(secret);
            }
        }
        if body.is_none() {
            for of_body in [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::CONTENT_ENCODING] {
                headers.remove(of_body);
            }
        }
        let mut request = Request::new(body.map_or_else(Body::empty, Body::from));
        *request.method_mut() = method;
        *request.uri_mut() = target;
        *request.headers_mut() = headers;
        Ok(Next::Request(Box::new(request)))
    }
}

fn same_origin(one: &Uri, other: &Uri) -> bool {
    let port = |uri: &Uri| uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let host = |uri: &Uri| uri.host().map(str::to_ascii_lowercase);
    one.scheme() == other.scheme() && host(one) == host(other) && port(one) == port(other)
}

/// Finds what a reference means, seen from a URL (RFC 3986, section 5.2); the fragment is dropped.
fn resolve(base: &Uri, reference: &str) -> Option<Uri> {
    let reference = reference.split('#').next().unwrap_or_default();
    let scheme = base.scheme_str()?;
    if let Some((reference_scheme, _)) = reference.split_once("://")
        && reference_scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
    {
        let uri: Uri = reference.parse().ok()?;
        return matches!(uri.scheme_str(), Some("http" | "https")).then_some(uri);
    }
    if reference.starts_with("//") {
        return format!("{scheme}:{reference}").parse().ok();
    }
    let (path, query) = match reference.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (reference, None),
    };
    let (path, query) = if path.is_empty() {
        (base.path().to_owned(), query.or(base.query()))
    } else if path.starts_with('/') {
        (without_dots(path), query)
    } else {
        let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        (without_dots(&format!("{folder}/{path}")), query)
    };
    let target = match query {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = base.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Uri::from_parts(parts).ok()
}

/// Takes out `.` and `..` (RFC 3986, section 5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;
    use crate::test::{self, Call, Mock};
    use crate::{IntoResponse, client};

    #[test]
    fn references_are_resolved_as_rfc_3986_says() {
        let base = Uri::from_static("http://a.test:81/b/c/d?q");
        for (reference, expected) in [
            ("https://other.test/x", "https://other.test/x"),
            ("//other.test/x", "http://other.test/x"),
            ("/x?y#z", "http://a.test:81/x?y"),
            ("g", "http://a.test:81/b/c/g"),
            ("./g/", "http://a.test:81/b/c/g/"),
            ("..", "http://a.test:81/b/"),
            ("../../../g", "http://a.test:81/g"),
            ("?y", "http://a.test:81/b/c/d?y"),
            ("", "http://a.test:81/b/c/d?q"),
        ] {
            assert_eq!(resolve(&base, reference).unwrap(), expected, "{reference}");
        }
        for bad in ["ftp://a.test/", "http://", "/a b"] {
            assert_eq!(resolve(&base, bad), None, "{bad}");
        }
    }

    fn to(status: u16, location: &'static str) -> impl Fn(http::Request<bytes::Bytes>) -> Response + Send + Sync {
        move |_| (StatusCode::from_u16(status).unwrap(), [("location", location)], "").into_response()
    }

    #[test]
    fn a_redirect_is_followed_with_the_method_that_its_status_asks_for() {
        for (status, method, body) in
            [(301, "GET", ""), (302, "GET", ""), (303, "GET", ""), (307, "POST", "hi"), (308, "POST", "hi")]
        {
            let target = Call::new(method.parse().unwrap(), "http://a.test/new").body(body);
            let mock =
                Mock::new().reply(Call::post("http://a.test/old"), to(status, "/new")).reply(target, |_| "there");
            let _upstream = test::outbound(mock);
            let response = test::block_on(Client::new().post("http://a.test/old").body("hi").send()).unwrap();
            assert_eq!(test::block_on(response.into_body().text()).unwrap(), "there", "{status}");
        }
    }

    #[test]
    fn credentials_stay_with_their_origin() {
        let mock = Mock::new()
            .reply(Call::get("http://a.test/same").header("authorization", "Bearer s"), to(302, "http://b.test/other"))
            .reply(Call::get("http://a.test/start").header("authorization", "Bearer s"), to(302, "/same"))
            .reply(Call::get("http://b.test/other"), |request| format!("{:?}", request.headers().get("authorization")));
        let _upstream = test::outbound(mock);
        let response = test::block_on(Client::new().get("http://a.test/start").bearer_auth("s").send()).unwrap();
        assert_eq!(test::block_on(response.into_body().text()).unwrap(), "None");
    }

    #[test]
    fn a_loop_ends_with_an_error() {
        let _upstream = test::outbound(Mock::new().reply(Call::any(), to(302, "/again")));
        let error = test::block_on(client::get("http://a.test/")).unwrap_err();
        assert!(error.is_redirect(), "{error}");
        assert_eq!(error.to_string(), "GET http://a.test/again: more than 10 redirects");
    }

    #[test]
    fn a_redirect_that_leads_nowhere_is_an_error() {
        let _upstream = test::outbound(Mock::new().reply(Call::any(), to(302, "ftp://b.test/")));
        assert!(test::block_on(client::get("http://a.test/")).unwrap_err().is_redirect());
    }

    #[test]
    fn without_redirects_a_3xx_is_a_response() {
        let _upstream = test::outbound(Mock::new().reply(Call::any(), to(302, "/new")));
        let client = Client::builder().redirects(0).build();
        assert_eq!(test::block_on(client.get("http://a.test/").send()).unwrap().status(), 302);
    }

    #[test]
    fn a_body_that_streams_is_not_sent_twice() {
        let _upstream = test::outbound(Mock::new().reply(Call::any(), to(307, "/new")));
        let body = Body::from_stream(futures_util::stream::iter(["hi"].map(Ok::<_, std::convert::Infallible>)));
        let response = test::block_on(Client::new().post("http://a.test/").body(body).send()).unwrap();
        assert_eq!(response.status(), 307);
    }
}
