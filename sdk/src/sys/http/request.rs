//! The head of an outgoing request.

use http::uri::Scheme;
use http::{Method, Request, Uri};

use super::framing::{self, Framing, Known};
use super::headers::{self, HostHeaders};
use super::target;

/// An outgoing request in the host. Each setter returns whether the host accepted the value.
pub(crate) trait HostRequest {
    fn set_method(&self, method: &Method) -> bool;
    fn set_scheme(&self, scheme: &Scheme) -> bool;
    fn set_authority(&self, authority: &str) -> bool;
    fn set_path_with_query(&self, path: &str) -> bool;
}

/// Writes the headers of a request, with the `content-length` that its framing needs.
pub(crate) fn write_headers<B>(
    fields: &impl HostHeaders,
    request: &Request<B>,
    body: Known,
) -> Result<Framing, String> {
    let set_length = headers::append_all(fields, request.headers())?;
    let framing = framing::of_request(request.method(), set_length, body)?;
    headers::set_length(fields, framing.header)?;
    Ok(framing)
}

/// Writes method and URI of a request. GET is not written, because it is the method of every new request in the host.
///
/// # Errors
///
/// Fails if the host refuses a part. The error names the part and its value.
pub(crate) fn write_target(host: &impl HostRequest, method: &Method, uri: &Uri) -> Result<(), String> {
    if *method != Method::GET && !host.set_method(method) {
        return Err(refused("method", method.as_str()));
    }
    if let Some(scheme) = uri.scheme()
        && !host.set_scheme(scheme)
    {
        return Err(refused("scheme", scheme.as_str()));
    }
    if let Some(authority) = uri.authority()
        && !host.set_authority(authority.as_str())
    {
        return Err(refused("authority", authority.as_str()));
    }
    if let Some(path) = uri.path_and_query()
        && !host.set_path_with_query(path.as_str())
        && !(target::is_asterisk(method, path) && host.set_path_with_query(""))
    {
        return Err(refused("path", path.as_str()));
    }
    Ok(())
}

#[cold]
fn refused(part: &str, value: &str) -> String {
    format!("the host refused the {part} `{value}`")
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::super::headers::Refused;
    use super::*;

    /// A host that records what is set, and refuses the given values.
    struct Fake {
        refuses: &'static [&'static str],
        set: RefCell<Vec<String>>,
    }

    impl Fake {
        fn refusing(refuses: &'static [&'static str]) -> Self {
            Self { refuses, set: RefCell::default() }
        }

        fn set(&self, value: &str) -> bool {
            self.set.borrow_mut().push(value.to_owned());
            !self.refuses.contains(&value)
        }
    }

    impl HostRequest for Fake {
        fn set_method(&self, method: &Method) -> bool {
            self.set(method.as_str())
        }

        fn set_scheme(&self, scheme: &Scheme) -> bool {
            self.set(scheme.as_str())
        }

        fn set_authority(&self, authority: &str) -> bool {
            self.set(authority)
        }

        fn set_path_with_query(&self, path: &str) -> bool {
            self.set(path)
        }
    }

    impl HostHeaders for Fake {
        fn append(&self, name: &str, value: &[u8]) -> Result<(), Refused> {
            self.set.borrow_mut().push(format!("{name}: {}", value.escape_ascii()));
            Ok(())
        }

        fn delete(&self, name: &str) -> Result<(), Refused> {
            self.set.borrow_mut().retain(|header| !header.starts_with(name));
            Ok(())
        }
    }

    fn written(refuses: &'static [&'static str], method: &Method, uri: &'static str) -> Result<Vec<String>, String> {
        let host = Fake::refusing(refuses);
        write_target(&host, method, &Uri::from_static(uri))?;
        Ok(host.set.into_inner())
    }

    #[test]
    fn all_parts_of_a_uri_are_written() {
        let parts = written(&[], &Method::POST, "https://a.test:8443/x?y=1").unwrap();
        assert_eq!(parts, ["POST", "https", "a.test:8443", "/x?y=1"]);
    }

    #[test]
    fn get_is_the_default_method() {
        assert_eq!(written(&["GET"], &Method::GET, "/").unwrap(), ["/"]);
    }

    #[test]
    fn a_refused_part_is_named_with_its_value() {
        let uri = "coap://a.test/x";
        let refused: [(&'static [&'static str], &str); 4] = [
            (&["PURGE"], "the host refused the method `PURGE`"),
            (&["coap"], "the host refused the scheme `coap`"),
            (&["a.test"], "the host refused the authority `a.test`"),
            (&["/x"], "the host refused the path `/x`"),
        ];
        for (refuses, error) in refused {
            let method = Method::from_bytes(b"PURGE").unwrap();
            assert_eq!(written(refuses, &method, uri).unwrap_err(), error);
        }
    }

    #[test]
    fn a_refused_asterisk_becomes_an_empty_path() {
        assert_eq!(written(&["*"], &Method::OPTIONS, "*").unwrap(), ["OPTIONS", "*", ""]);
        assert_eq!(written(&["*", ""], &Method::OPTIONS, "*").unwrap_err(), "the host refused the path `*`");
    }

    #[test]
    fn an_accepted_asterisk_is_kept() {
        assert_eq!(written(&[], &Method::OPTIONS, "*").unwrap(), ["OPTIONS", "*"]);
    }

    #[test]
    fn a_refused_path_of_another_method_has_no_second_try() {
        assert_eq!(written(&["*"], &Method::GET, "*").unwrap_err(), "the host refused the path `*`");
    }

    #[test]
    fn a_body_of_known_length_adds_a_content_length() {
        let host = Fake::refusing(&[]);
        let request = Request::post("/").header("x-a", "1").body(()).unwrap();
        let framing = write_headers(&host, &request, Known { length: Some(5), has_trailers: false }).unwrap();
        assert_eq!(host.set.into_inner(), ["x-a: 1", "content-length: 5"]);
        assert_eq!(framing.declared, Some(5));
    }

    #[test]
    fn a_false_content_length_is_refused() {
        let request = Request::post("/").header("content-length", "4").body(()).unwrap();
        let known = Known { length: Some(5), has_trailers: false };
        let error = write_headers(&Fake::refusing(&[]), &request, known).unwrap_err();
        assert_eq!(error, "content-length is set to 4, the body has 5 bytes");
    }
}
