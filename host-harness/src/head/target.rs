//! Checks the target of a request, and the host that the request is for (RFC 9112, section 3.2; RFC 9113, section
//! 8.3.1).

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Uri, Version, header};
use percent_encoding::{AsciiSet, utf8_percent_encode};

use super::{FromSocket, Refusal, authority};
use crate::message::headers::quoted;
use crate::show::redact_authority;

/// Gives the target a scheme, an authority and a path. The authority comes from the `Host` header if the target has
/// none.
///
/// The target of `CONNECT` stays as it is, because such requests never reach a component.
pub(super) fn complete<B>(request: &mut Request<B>) -> Result<(), Refusal> {
    let host = host_field(request)?;
    if request.method() == Method::CONNECT {
        return Ok(());
    }
    let uri = request.uri();
    check_form(request.method(), uri)?;
    let named = named(uri)?;
    let authority = match (named, host) {
        (Some(named), Some(host)) if request.version() >= Version::HTTP_2 && !authority::is_same(&named, &host) => {
            return Err(Refusal::bad_request(format!("`:authority` is `{named}` and Host is `{host}`")));
        }
        // RFC 9112, section 3.2.2: the target overrides `Host`.
        (Some(named), Some(_)) => named,
        (Some(named), None) if !needs_host(request) => named,
        (None, Some(host)) => host,
        (None, None) if request.version() < Version::HTTP_11 => Authority::from_static("localhost"),
        (_, None) => return Err(Refusal::bad_request("the request has no Host field")),
    };
    let mut parts = uri.clone().into_parts();
    parts.authority = Some(authority);
    parts.scheme = parts.scheme.or(Some(Scheme::HTTP));
    parts.path_and_query = Some(path(uri)?);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| Refusal::bad_request("the target is not a URI"))?;
    Ok(())
}

/// Returns the host of the `Host` header.
fn host_field<B>(request: &Request<B>) -> Result<Option<Authority>, Refusal> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let Some(host) = hosts.next() else { return Ok(None) };
    // A request must not have more than one `Host` header (RFC 9112, section 3.2).
    if hosts.next().is_some() {
        return Err(Refusal::bad_request("the request has more than one Host field"));
    }
    match authority::parse(host.as_bytes()) {
        Ok(host) => Ok(Some(host)),
        Err(why) => Err(Refusal::bad_request(format!(
            "the Host {} is not valid: {why}",
            quoted(&redact_authority(host.as_bytes()))
        ))),
    }
}

/// Rejects a target in a form that its method does not allow, and a target with an unsupported scheme.
fn check_form(method: &Method, uri: &Uri) -> Result<(), Refusal> {
    if uri.path() == "*" && method != Method::OPTIONS {
        return Err(Refusal::bad_request("the target `*` is for OPTIONS only"));
    }
    match (uri.scheme(), uri.authority()) {
        (None, Some(target)) => Err(Refusal::bad_request(format!(
            "the target {} is for CONNECT only; begin it with a slash, or with `http://`",
            quoted(&redact_authority(target.as_str().as_bytes()))
        ))),
        // Requests for `https` come from a proxy that terminates TLS (RFC 9110, section 7.4).
        (Some(scheme), _) if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS => Err(Refusal::bad_request(format!(
            "the scheme {} of the target is not served here; use `http`",
            quoted(scheme.as_str().as_bytes())
        ))),
        _ => Ok(()),
    }
}

/// Returns the host of the target.
fn named(uri: &Uri) -> Result<Option<Authority>, Refusal> {
    let Some(named) = uri.authority() else { return Ok(None) };
    let text = named.as_str().as_bytes();
    let checked =
        if text.ends_with(b":") { authority::parse(text) } else { authority::check(text).map(|()| named.clone()) };
    match checked {
        Ok(named) => Ok(Some(named)),
        Err(why) => Err(Refusal::bad_request(format!(
            "the host {} of the target is not valid: {why}",
            quoted(&redact_authority(text))
        ))),
    }
}

/// Whether the request needs a `Host` header even if its target contains a host, as always in HTTP/1.1 (RFC 9112,
/// section 3.2). Requests that did not come over a socket may leave it out.
fn needs_host<B>(request: &Request<B>) -> bool {
    request.version() == Version::HTTP_11 && request.extensions().get::<FromSocket>().is_some()
}

/// Returns the path, which is a slash if the target has none (RFC 9110, section 4.2.3). Percent-encodes bytes beyond
/// ASCII. hyper accepts them, although a request line must not contain any.
fn path(uri: &Uri) -> Result<PathAndQuery, Refusal> {
    match uri.path_and_query() {
        Some(path) if path.as_str().starts_with('?') || !path.as_str().is_ascii() => {
            let slash = if path.as_str().starts_with('?') { "/" } else { "" };
            let encoded = utf8_percent_encode(path.as_str(), &AsciiSet::EMPTY);
            format!("{slash}{encoded}").parse().map_err(|_| Refusal::bad_request("the target is too long"))
        }
        Some(path) if !path.as_str().is_empty() => Ok(path.clone()),
        _ => Ok(PathAndQuery::from_static("/")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri_of(request: http::request::Builder) -> Result<String, String> {
        let mut request = request.body(()).unwrap();
        complete(&mut request).map(|()| request.uri().to_string()).map_err(|refusal| refusal.reason)
    }

    #[test]
    fn the_host_field_becomes_the_authority() {
        assert_eq!(uri_of(Request::get("/a?b").header("host", "x.test:81")).unwrap(), "http://x.test:81/a?b");
    }

    #[test]
    fn bytes_beyond_ascii_of_a_target_are_percent_encoded() {
        for (target, expected) in [
            ("/caf\u{e9}/{x}?q=\u{e9}", "http://a.test/caf%C3%A9/{x}?q=%C3%A9"),
            ("http://a.test?\u{e9}", "http://a.test/?%C3%A9"),
        ] {
            assert_eq!(uri_of(Request::get(target).header("host", "a.test")).unwrap(), expected);
        }
    }

    #[test]
    fn the_host_of_the_target_wins_over_the_host_field() {
        for version in [Version::HTTP_10, Version::HTTP_11] {
            let request = Request::get("https://y.test/").version(version).header("host", "x.test");
            assert_eq!(uri_of(request).unwrap(), "https://y.test/");
        }
        let request = Request::get("http://y.test/").version(Version::HTTP_2).header("host", "x.test");
        assert_eq!(uri_of(request).unwrap_err(), "`:authority` is `y.test` and Host is `x.test`");
    }

    #[test]
    fn a_password_is_not_repeated_in_the_reason() {
        let host = "ada:s3cret@x.test";
        for request in [
            Request::get("/").header("host", host),
            Request::get(format!("http://{host}/")),
            Request::get(host).header("host", "x.test"),
        ] {
            let reason = uri_of(request).unwrap_err();
            assert!(reason.contains("`redacted@x.test`"), "{reason}");
        }
    }

    #[test]
    fn a_missing_or_repeated_host_is_refused() {
        assert!(uri_of(Request::get("/")).is_err());
        assert!(uri_of(Request::get("/").header("host", "a").header("host", "b")).is_err());
        assert!(uri_of(Request::get("/").header("host", "a b")).is_err());
        assert!(uri_of(Request::get("/").version(Version::HTTP_2)).is_err());
        assert_eq!(uri_of(Request::get("/").version(Version::HTTP_10)).unwrap(), "http://localhost/");
    }

    #[test]
    fn only_over_a_socket_a_host_field_stands_beside_the_host_of_the_target() {
        let request = |version| Request::get("http://a.test/").version(version);
        assert!(uri_of(request(Version::HTTP_11)).is_ok());
        assert!(uri_of(request(Version::HTTP_11).extension(FromSocket)).is_err());
        assert!(uri_of(request(Version::HTTP_11).extension(FromSocket).header("host", "a.test")).is_ok());
        assert!(uri_of(request(Version::HTTP_10).extension(FromSocket)).is_ok());
        assert!(uri_of(request(Version::HTTP_2).extension(FromSocket)).is_ok());
    }

    #[test]
    fn an_asterisk_is_kept_for_options_and_refused_for_others() {
        let mut request = Request::options("*").header("host", "a.test").body(()).unwrap();
        complete(&mut request).unwrap();
        assert_eq!(request.uri().path_and_query().unwrap(), "*");
        assert_eq!(
            uri_of(Request::get("*").header("host", "a.test")).unwrap_err(),
            "the target `*` is for OPTIONS only"
        );
    }

    #[test]
    fn the_target_of_connect_is_left_alone() {
        let request = Request::builder().method(Method::CONNECT).uri("b.test:443").header("host", "b.test:443");
        assert_eq!(uri_of(request).unwrap(), "b.test:443");
    }
}
