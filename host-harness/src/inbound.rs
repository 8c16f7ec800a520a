//! Incoming requests and the services that respond to them.

mod client;
mod unfinished;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use http::{Method, Request, Response};

use crate::message::body::Body;
use crate::message::framing::without_content;

pub(crate) use client::Client;
pub(crate) use unfinished::Unfinished;

type ResponseFuture = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// Responds to requests: a component, a chain of components, or routes in front of them.
///
/// There is always a response; failures become responses too.
#[derive(Clone)]
pub(crate) struct Inbound(Arc<dyn Fn(Request<Body>) -> ResponseFuture + Send + Sync>);

impl Inbound {
    pub(crate) fn new<F, A>(answer: F) -> Self
    where
        F: Fn(Request<Body>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        Self(Arc::new(move |request| Box::pin(answer(request))))
    }

    /// Responds to a request. Removes the body from responses that must not have one.
    pub(crate) async fn handle(&self, request: Request<Body>) -> Response<Body> {
        let is_head = request.method() == Method::HEAD;
        without_content(is_head, (self.0)(request).await)
    }
}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound").finish_non_exhaustive()
    }
}
