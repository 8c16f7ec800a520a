//! Incoming requests: who answers what clients send.

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

/// Answers requests: a component, several behind each other, or whatever stands in front of them.
///
/// There is always a response; failures are responses, too.
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

    /// Answers a request; what may have no content has none.
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
