//! Conversions between the types of the `http` crate and those of a world's bindings, whose names are the same in all
//! worlds.

/// Defines the conversions for the types of a module `wasi`, and implements the traits of [`crate::sys::http`] for
/// them. The worlds have different types for outgoing requests and for header errors, so the macro takes these two as
/// arguments.
macro_rules! conversions {
    (outgoing_request: $request:ty, header_error { $($pattern:pat => $reason:expr,)* }) => {
        use http::{HeaderMap, Method};
        use http::uri::Scheme;

        use $crate::sys::http::error_code::{self, Kind};
        use $crate::sys::http::headers::{self, HostHeaders, Refused};
        use $crate::sys::http::options::{self, HostOptions, Timeouts, Unsupported};
        use $crate::sys::http::request::HostRequest;
        use $crate::sys::http::target::{self, Invalid};
        use $crate::sys::outbound;

        pub(super) fn method_from_wasi(method: wasi::Method) -> Result<Method, Invalid> {
            Ok(match method {
                wasi::Method::Get => Method::GET,
                wasi::Method::Head => Method::HEAD,
                wasi::Method::Post => Method::POST,
                wasi::Method::Put => Method::PUT,
                wasi::Method::Delete => Method::DELETE,
                wasi::Method::Connect => Method::CONNECT,
                wasi::Method::Options => Method::OPTIONS,
                wasi::Method::Trace => Method::TRACE,
                wasi::Method::Patch => Method::PATCH,
                wasi::Method::Other(name) => {
                    target::other_method(&name)?
                }
            })
        }

        fn method_into_wasi(method: &Method) -> wasi::Method {
            match *method {
                Method::GET => wasi::Method::Get,
                Method::HEAD => wasi::Method::Head,
                Method::POST => wasi::Method::Post,
                Method::PUT => wasi::Method::Put,
                Method::DELETE => wasi::Method::Delete,
                Method::CONNECT => wasi::Method::Connect,
                Method::OPTIONS => wasi::Method::Options,
                Method::TRACE => wasi::Method::Trace,
                Method::PATCH => wasi::Method::Patch,
                ref other => wasi::Method::Other(other.as_str().to_owned()),
            }
        }

        pub(super) fn method_name(method: &wasi::Method) -> &str {
            match method {
                wasi::Method::Get => "GET",
                wasi::Method::Head => "HEAD",
                wasi::Method::Post => "POST",
                wasi::Method::Put => "PUT",
                wasi::Method::Delete => "DELETE",
                wasi::Method::Connect => "CONNECT",
                wasi::Method::Options => "OPTIONS",
                wasi::Method::Trace => "TRACE",
                wasi::Method::Patch => "PATCH",
                wasi::Method::Other(name) => name,
            }
        }

        fn scheme_into_wasi(scheme: &Scheme) -> wasi::Scheme {
            if *scheme == Scheme::HTTP {
                wasi::Scheme::Http
            } else if *scheme == Scheme::HTTPS {
                wasi::Scheme::Https
            } else {
                wasi::Scheme::Other(scheme.as_str().to_owned())
            }
        }

        pub(super) fn scheme_from_wasi(scheme: wasi::Scheme) -> Result<Scheme, Invalid> {
            match scheme {
                wasi::Scheme::Http => Ok(Scheme::HTTP),
                wasi::Scheme::Https => Ok(Scheme::HTTPS),
                wasi::Scheme::Other(name) => target::other_scheme(&name),
            }
        }

        /// Returns the kind of an error code, and a message.
        pub(super) fn error_from_wasi(code: wasi::ErrorCode) -> (Kind, String) {
            error_code::explained(error_code::explain!(code, wasi::ErrorCode))
        }

        /// Creates the headers of a message in the host. Returns them with the length that their `content-length`
        /// declares.
        pub(super) fn headers_into_wasi(headers: &HeaderMap) -> Result<(wasi::Fields, Option<u64>), String> {
            let fields = wasi::Fields::new();
            let declared = headers::append_all(&fields, headers)?;
            Ok((fields, declared))
        }

        impl HostOptions for wasi::RequestOptions {
            fn set_connect_timeout(&self, nanos: Option<u64>) -> Result<(), Unsupported> {
                self.set_connect_timeout(nanos).map_err(|_| Unsupported)
            }

            fn set_first_byte_timeout(&self, nanos: Option<u64>) -> Result<(), Unsupported> {
                self.set_first_byte_timeout(nanos).map_err(|_| Unsupported)
            }

            fn set_between_bytes_timeout(&self, nanos: Option<u64>) -> Result<(), Unsupported> {
                self.set_between_bytes_timeout(nanos).map_err(|_| Unsupported)
            }
        }

        impl HostRequest for $request {
            fn set_method(&self, method: &Method) -> bool {
                self.set_method(&method_into_wasi(method)).is_ok()
            }

            fn set_scheme(&self, scheme: &Scheme) -> bool {
                self.set_scheme(Some(&scheme_into_wasi(scheme))).is_ok()
            }

            fn set_authority(&self, authority: &str) -> bool {
                self.set_authority(Some(authority)).is_ok()
            }

            fn set_path_with_query(&self, path: &str) -> bool {
                self.set_path_with_query(Some(path)).is_ok()
            }
        }

        /// Makes the options for the time limits that the host enforces. Returns `None` if none of these is set.
        pub(super) fn options(timeouts: &Timeouts) -> Result<Option<wasi::RequestOptions>, outbound::Error> {
            options::options(timeouts, wasi::RequestOptions::new)
                .map_err(|_| outbound::Error::new(Kind::Unsupported, Unsupported::REASON))
        }

        impl HostHeaders for wasi::Fields {
            fn append(&self, name: &str, value: &[u8]) -> Result<(), Refused> {
                self.append(name, value).map_err(refused)
            }

            fn delete(&self, name: &str) -> Result<(), Refused> {
                self.delete(name).map(drop).map_err(refused)
            }
        }

        fn refused(error: wasi::HeaderError) -> Refused {
            match error {
                wasi::HeaderError::Forbidden => Refused::Forbidden,
                $($pattern => Refused::Because($reason),)*
            }
        }
    };
}
pub(in crate::sys) use conversions;
