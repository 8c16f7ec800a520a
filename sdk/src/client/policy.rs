//! The policy that decides which redirects a client follows.

use std::fmt;
use std::sync::Arc;

use http::{Method, StatusCode, Uri};

/// A redirect that a client is about to follow; see
/// [`ClientBuilder::redirect_policy`](super::ClientBuilder::redirect_policy).
#[derive(Debug)]
pub struct Redirect<'a> {
    pub(super) status: StatusCode,
    pub(super) method: &'a Method,
    pub(super) url: &'a Uri,
    pub(super) previous: &'a [Uri],
}

impl Redirect<'_> {
    /// Returns the status of the redirect response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the method of the next request.
    #[must_use]
    pub fn method(&self) -> &Method {
        self.method
    }

    /// Returns the URL of the next request.
    #[must_use]
    pub fn url(&self) -> &Uri {
        self.url
    }

    /// Returns the URLs of the previous requests in order. The last URL is the one that responded with this redirect.
    #[must_use]
    pub fn previous(&self) -> &[Uri] {
        self.previous
    }
}

/// The decision about a [`Redirect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedirectAction {
    /// Follows the redirect.
    Follow,
    /// Returns the redirect response to the caller.
    Stop,
    /// Fails with [`Error::is_redirect`](super::Error::is_redirect).
    Refuse,
}

type Decide = dyn Fn(&Redirect<'_>) -> RedirectAction + Send + Sync;

/// The function that the user set with [`ClientBuilder::redirect_policy`](super::ClientBuilder::redirect_policy).
#[derive(Clone)]
pub(super) struct Policy(Arc<Decide>);

impl Policy {
    pub(super) fn new(decide: impl Fn(&Redirect<'_>) -> RedirectAction + Send + Sync + 'static) -> Self {
        Self(Arc::new(decide))
    }

    pub(super) fn decide(&self, redirect: &Redirect<'_>) -> RedirectAction {
        (self.0)(redirect)
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").finish_non_exhaustive()
    }
}
