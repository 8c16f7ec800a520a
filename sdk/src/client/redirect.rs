//! Redirects (RFC 9110, section 15.4).

use http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};

use super::{Error, Kind};
use crate::url::{self, Url};
use crate::{Body, Request, Response};

/// A copy of the parts of a request that the client needs to follow a redirect.
pub(super) struct SentRequest {
    method: Method,
    uri: Uri,
    /// `None` if the client follows no redirects.
    request: Option<Resendable>,
}

struct Resendable {
    headers: HeaderMap,
    /// `None` if the body streams, because a stream cannot be sent twice.
    body: Option<Body>,
}

/// The next step after a response.
pub(super) enum NextStep {
    /// Return the response to the caller. Contains the method and the URL of the last request.
    Done(Method, Uri),
    /// Follow the redirect.
    Request(RedirectedRequest),
}

/// The request to the target of a redirect.
pub(super) struct RedirectedRequest {
    /// The method and the URL of the request that got the redirect.
    pub(super) from_method: Method,
    pub(super) from: Uri,
    pub(super) request: Box<Request>,
    /// The fragment of the URL in the `location` header.
    pub(super) fragment: Option<Box<str>>,
}

impl SentRequest {
    pub(super) fn of(request: &Request, follows: bool) -> Self {
        let keep = || Resendable { headers: request.headers().clone(), body: request.body().share() };
        Self { method: request.method().clone(), uri: request.uri().clone(), request: follows.then(keep) }
    }

    /// Returns the next step after a response.
    pub(super) fn next(self, response: &Response) -> Result<NextStep, Error> {
        let Self { method, uri, request } = self;
        if !is_redirect(response.status()) {
            return Ok(NextStep::Done(method, uri));
        }
        let Some(Resendable { mut headers, body }) = request else { return Ok(NextStep::Done(method, uri)) };
        let is_changed = becomes_get(response.status(), &method);
        let body = if is_changed { Some(Body::empty()) } else { body };
        let (Some(body), Some(location)) = (body, response.headers().get(header::LOCATION)) else {
            return Ok(NextStep::Done(method, uri));
        };
        let Url { uri: target, fragment } = url::resolve(&uri, location.as_bytes()).map_err(|reason| {
            let location = url::shown(location.as_bytes());
            Error::new(Kind::Redirect, format!("the redirect to `{location}` cannot be followed: {reason}"))
                .with_target(&method, &uri)
        })?;
        if !same_origin(&uri, &target) {
            remove_secrets(&mut headers);
        }
        if is_changed {
            headers = headers_without(headers, describes_content);
        }
        let mut request = Box::new(Request::new(body));
        *request.method_mut() = if is_changed { Method::GET } else { method.clone() };
        *request.uri_mut() = target;
        *request.headers_mut() = headers;
        Ok(NextStep::Request(RedirectedRequest { from_method: method, from: uri, request, fragment }))
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    )
}

/// Whether a redirect changes the method to GET and drops the body.
fn becomes_get(status: StatusCode, method: &Method) -> bool {
    match status {
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => *method == Method::POST,
        StatusCode::SEE_OTHER => *method != Method::HEAD,
        _ => false,
    }
}

fn same_origin(one: &Uri, other: &Uri) -> bool {
    let port = |uri: &Uri| uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let host = |uri: &Uri| uri.host().map(str::to_ascii_lowercase);
    one.scheme() == other.scheme() && host(one) == host(other) && port(one) == port(other)
}

/// Removes headers that must not be sent to another origin.
fn remove_secrets(headers: &mut HeaderMap) {
    for secret in [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION, header::REFERER] {
        headers.remove(secret);
    }
    let sensitive: Vec<HeaderName> =
        headers.iter().filter(|(_, value)| value.is_sensitive()).map(|(name, _)| name.clone()).collect();
    for name in sensitive {
        // Keep the values of the header that are not sensitive.
        let kept: Vec<_> = headers.get_all(&name).iter().filter(|value| !value.is_sensitive()).cloned().collect();
        headers.remove(&name);
        for value in kept {
            headers.append(&name, value);
        }
    }
}

/// Whether a header describes the content of a request, so that it has no meaning without the content.
fn describes_content(name: &HeaderName) -> bool {
    name.as_str().starts_with("content-")
        || matches!(
            name.as_str(),
            "digest" | "expect" | "last-modified" | "repr-digest" | "trailer" | "transfer-encoding"
        )
}

fn headers_without(headers: HeaderMap, is_left_out: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| !is_left_out(name)) {
        kept.append(name, value.clone());
    }
    kept
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::client::{Client, RedirectAction, ResponseExt as _};
    use crate::test::{self, Call, Mock};
    use crate::{IntoResponse, client};

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
            .reply(Call::get("http://b.test/other"), |request: Request<bytes::Bytes>| {
                format!("{:?}", request.headers().get("authorization"))
            });
        let _upstream = test::outbound(mock);
        let response = test::block_on(Client::new().get("http://a.test/start").bearer_auth("s").send()).unwrap();
        assert_eq!(test::block_on(response.into_body().text()).unwrap(), "None");
    }

    #[test]
    fn sensitive_values_stay_with_their_origin_and_others_do_not() {
        let sees = |request: http::Request<bytes::Bytes>| format!("{:?}", request.headers());
        for (location, is_same) in [
            ("/there", true),
            ("http://A.test:80/there", true),
            ("http://a.test:81/there", false),
            ("https://a.test/there", false),
            ("http://b.test/there", false),
            ("//b.test/there", false),
        ] {
            let mock = Mock::new().reply(Call::get("http://a.test/"), to(302, location)).reply(Call::any(), sees);
            let _upstream = test::outbound(mock);
            let mut key = HeaderValue::from_static("s3cret");
            key.set_sensitive(true);
            let request = Client::new().get("http://a.test/").header("x-key", key).header("x-key", "plain");
            let request = ["cookie", "proxy-authorization", "referer", "x-kept"]
                .into_iter()
                .fold(request, |request, name| request.header(name, "of the origin"));
            let response = test::block_on(request.send()).unwrap();
            let seen = test::block_on(response.into_body().text()).unwrap();
            assert!(seen.contains("\"x-kept\"") && seen.contains("\"plain\""), "{seen}");
            for secret in ["cookie", "proxy-authorization", "referer", "Sensitive"] {
                assert_eq!(seen.contains(secret), is_same, "{location} {secret}: {seen}");
            }
        }
    }

    #[test]
    fn what_describes_the_body_goes_with_it_where_the_method_becomes_get() {
        let of_the_body = [
            "content-type",
            "content-encoding",
            "content-language",
            "content-location",
            "content-digest",
            "content-disposition",
            "digest",
            "repr-digest",
            "last-modified",
            "trailer",
            "expect",
        ];
        for (status, goes) in [(301, true), (302, true), (303, true), (307, false), (308, false)] {
            let _upstream = test::outbound(move |request: Request| {
                let is_first = request.uri().path() == "/";
                async move {
                    if is_first {
                        return to(status, "/new")(http::Request::new(bytes::Bytes::new()));
                    }
                    let names: Vec<_> = request.headers().keys().map(ToString::to_string).collect();
                    names.join(" ").into_response()
                }
            });
            let request = Client::new().post("http://a.test/").body("hi").header("x-kept", "1");
            let request = of_the_body.into_iter().fold(request, |request, name| request.header(name, "x"));
            let response = test::block_on(request.send()).unwrap();
            let names = test::block_on(response.into_body().text()).unwrap();
            assert!(names.contains("x-kept"), "{status}: {names}");
            for name in of_the_body.into_iter().chain(["content-length"]) {
                assert_eq!(!names.split(' ').any(|seen| seen == name), goes, "{status} {name}: {names}");
            }
        }
    }

    #[test]
    fn a_307_sends_the_trailers_again() {
        for (status, expected) in [(307, "hi {\"x-sum\": \"7\"}"), (308, "hi {\"x-sum\": \"7\"}"), (303, " {}")] {
            let _upstream = test::outbound(move |request: Request| async move {
                if request.uri().path() == "/" {
                    return to(status, "/new")(http::Request::new(bytes::Bytes::new()));
                }
                let mut body = request.into_body();
                let data = body.next_chunk().await.transpose().unwrap().unwrap_or_default();
                let trailers = body.trailers().await.unwrap().unwrap_or_default();
                format!("{} {trailers:?}", String::from_utf8_lossy(&data)).into_response()
            });
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", HeaderValue::from_static("7"));
            let request = Client::new().post("http://a.test/").body(Body::from("hi").with_trailers(trailers));
            let response = test::block_on(request.send()).unwrap();
            assert_eq!(test::block_on(response.into_body().text()).unwrap(), expected, "{status}");
        }
    }

    #[test]
    fn the_final_url_is_told_with_its_fragment() {
        for (url, location, expected) in [
            ("http://u:p@a.test/", "/", "http://a.test/"),
            ("http://a.test/#one", "http://b.test/x", "http://b.test/x#one"),
            ("http://a.test/#one", "/x#two", "http://a.test/x#two"),
            ("http://a.test/", "/x#two", "http://a.test/x#two"),
            ("http://a.test/#one", "#two", "http://a.test/#two"),
        ] {
            let calls = std::sync::atomic::AtomicUsize::new(0);
            let mock = Mock::new().reply(Call::any(), move |request| {
                let is_first = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
                if is_first { to(302, location)(request) } else { "there".into_response() }
            });
            let _upstream = test::outbound(mock);
            let response = test::block_on(client::get(url)).unwrap();
            let final_url = response.final_url().unwrap();
            assert_eq!(final_url.to_string(), expected, "{url} {location}");
            assert_eq!(final_url.fragment(), expected.split_once('#').map(|(_, fragment)| fragment));
        }
    }

    #[test]
    fn a_policy_decides_about_each_redirect() {
        for (action, expected) in [
            (RedirectAction::Follow, Ok(200)),
            (RedirectAction::Stop, Ok(302)),
            (
                RedirectAction::Refuse,
                Err("GET http://b.test/two: the redirect was refused by the policy of the client"),
            ),
        ] {
            let mock = Mock::new()
                .reply(Call::get("http://a.test/"), to(302, "/one"))
                .reply(Call::get("http://a.test/one"), to(302, "http://b.test/two"))
                .reply(Call::get("http://b.test/two").times(..), |_| "there");
            let _upstream = test::outbound(mock);
            let client = Client::builder()
                .redirect_policy(move |redirect| {
                    assert_eq!((redirect.status().as_u16(), redirect.method()), (302, &Method::GET));
                    let previous: Vec<_> = redirect.previous().iter().map(ToString::to_string).collect();
                    if redirect.url().host() == Some("a.test") {
                        assert_eq!(previous, ["http://a.test/"]);
                        return RedirectAction::Follow;
                    }
                    assert_eq!(previous, ["http://a.test/", "http://a.test/one"]);
                    action
                })
                .build();
            let answer = test::block_on(client.get("http://a.test/").send());
            let seen = answer.map(|response| response.status().as_u16()).map_err(|error| {
                assert!(error.is_redirect());
                error.to_string()
            });
            assert_eq!(seen, expected.map_err(str::to_owned), "{action:?}");
        }
    }

    #[test]
    fn a_loop_ends_with_an_error() {
        let _upstream = test::outbound(Mock::new().reply(Call::any(), to(302, "/again")));
        let error = test::block_on(client::get("http://a.test/")).unwrap_err();
        assert!(error.is_redirect(), "{error}");
        assert_eq!(error.to_string(), "GET http://a.test/again: more than 10 redirects");
    }

    #[test]
    fn a_redirect_that_leads_nowhere_is_an_error_that_names_the_url() {
        for (location, reason) in [
            ("ftp://b.test/", "the scheme `ftp` is not supported; use `http` or `https`"),
            ("com.app.x:/cb?code=1", "the scheme `com.app.x` is not supported; use `http` or `https`"),
            ("mailto:a@b.test", "the scheme `mailto` is not supported; use `http` or `https`"),
            ("http://b.test:99999/", "the port `99999` of `b.test:99999` is not a number from 0 to 65535"),
            ("http://", "the URL has no host"),
        ] {
            let _upstream = test::outbound(Mock::new().reply(Call::any(), to(302, location)));
            let error = test::block_on(client::get("http://a.test/")).unwrap_err();
            assert!(error.is_redirect(), "{error}");
            assert_eq!(
                error.to_string(),
                format!("GET http://a.test/: the redirect to `{location}` cannot be followed: {reason}")
            );
        }
    }

    #[test]
    fn a_location_that_cannot_be_followed_is_a_response_without_redirects() {
        let _upstream = test::outbound(Mock::new().reply(Call::any(), to(302, "mailto:a@b.test")));
        let client = Client::builder().redirects(0).build();
        let response = test::block_on(client.get("http://a.test/").send()).unwrap();
        assert_eq!(
            (response.status().as_u16(), response.final_url().unwrap().to_string().as_str()),
            (302, "http://a.test/")
        );
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
