//! The URL of a response.

use std::fmt;

use http::{Method, Uri};

use super::Url;

/// The URL of a response after redirects; see [`ResponseExt::final_url`](crate::client::ResponseExt::final_url).
///
/// The formatted URL includes a fragment if there is one: the fragment of the last `location` header that had one,
/// otherwise the fragment of the first URL (RFC 9110, section 10.2.2). User information is never included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalUrl {
    pub(crate) url: Url,
    /// The method of the request that got the response.
    pub(crate) method: Method,
}

impl FinalUrl {
    /// Returns the method of the request that got the response.
    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    /// Returns the URL without its fragment.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.url.uri
    }

    /// Returns the fragment, percent-encoded and without its `#`.
    #[must_use]
    pub fn fragment(&self) -> Option<&str> {
        self.url.fragment.as_deref()
    }
}

impl fmt::Display for FinalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.url.uri, f)?;
        match &self.url.fragment {
            Some(fragment) => write!(f, "#{fragment}"),
            None => Ok(()),
        }
    }
}
