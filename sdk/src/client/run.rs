//! Sends a request with the settings of a client: default headers, attempts, redirects, and the time limit.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use http::{Method, Uri};

use super::redirect::{self, NextStep};
use super::{Client, Error, FinalUrl, Kind, Redirect, RedirectAction, Timeouts, check};
use crate::sys::{Here, World};
use crate::url::Url;
use crate::{Request, Response};

/// The settings of one request that are not sent: its fragment, its time limit, and whether it may be repeated.
pub(super) struct Terms {
    /// The fragment of the URL, which is not sent.
    pub(super) fragment: Option<Box<str>>,
    /// The time limit of the request, with all its attempts and redirects, and of the response body.
    pub(super) total: Option<Duration>,
    /// Whether the request may arrive more than once, whatever its method.
    #[cfg_attr(not(feature = "retry"), allow(dead_code, reason = "only attempts read it"))]
    pub(super) is_retryable: bool,
}

pub(super) type SendFuture<'a> = Pin<Box<dyn Future<Output = Result<Box<Response>, Error>> + Send + 'a>>;

/// Sends a request as often as needed.
///
/// A trait object, so that a component that creates no [`Retry`](super::Retry) does not contain its code.
pub(super) trait Attempts: fmt::Debug + Send + Sync {
    fn run<'a>(&'a self, client: &'a Client, request: Box<Request>, terms: Terms) -> SendFuture<'a>;
}

impl Client {
    /// Sends a request, which is checked and gets the default headers first.
    pub(super) async fn run(&self, mut request: Box<Request>, terms: Terms) -> Result<Box<Response>, Error> {
        self.add_default_headers(&mut request);
        check(&mut request)?;
        match &self.attempts {
            None => self.follow(request, terms.fragment, terms.total).await,
            Some(attempts) => attempts.run(self, request, terms).await,
        }
    }

    /// Sends a request and follows redirects within the time limit `total`. If the `location` of a redirect has no
    /// fragment, the final URL keeps the previous fragment.
    pub(super) async fn follow(
        &self,
        mut request: Box<Request>,
        mut fragment: Option<Box<str>>,
        total: Option<Duration>,
    ) -> Result<Box<Response>, Error> {
        let start = total.map(|_| Here::now());
        let mut followed = 0;
        let mut previous = Vec::new();
        loop {
            let spent = match start {
                // The first exchange gets the whole time limit, so the clock need not be read again.
                Some(start) if followed > 0 => Here::now().saturating_sub(start),
                _ => Duration::ZERO,
            };
            let timeouts = Timeouts { total: total.map(|total| total.saturating_sub(spent)), ..self.timeouts };
            let sent = redirect::SentRequest::of(&request, self.redirects > 0);
            let response = Here::send(request, timeouts).await?;
            match sent.next(&response)? {
                NextStep::Request(next) if followed < self.redirects => {
                    match self.decide(&response, &next, &mut previous) {
                        RedirectAction::Follow => {}
                        RedirectAction::Stop => return Ok(with_url(response, next.from_method, next.from, fragment)),
                        RedirectAction::Refuse => {
                            let error =
                                Error::new(Kind::Redirect, "the redirect was refused by the policy of the client");
                            return Err(error.with_target(next.request.method(), next.request.uri()));
                        }
                    }
                    followed += 1;
                    fragment = next.fragment.or(fragment);
                    request = next.request;
                }
                NextStep::Request(next) => {
                    let error = Error::new(Kind::Redirect, format!("more than {} redirects", self.redirects));
                    return Err(error.with_target(next.request.method(), next.request.uri()));
                }
                NextStep::Done(method, uri) => return Ok(with_url(response, method, uri, fragment)),
            }
        }
    }

    fn add_default_headers(&self, request: &mut Request) {
        for name in self.headers.keys() {
            if !request.headers().contains_key(name) {
                for value in self.headers.get_all(name) {
                    request.headers_mut().append(name, value.clone());
                }
            }
        }
    }

    /// Returns the decision of the redirect policy. Without a policy, every redirect is followed.
    fn decide(
        &self,
        response: &Response,
        next: &redirect::RedirectedRequest,
        previous: &mut Vec<Uri>,
    ) -> RedirectAction {
        let Some(policy) = &self.policy else { return RedirectAction::Follow };
        previous.push(next.from.clone());
        let (method, url) = (next.request.method(), next.request.uri());
        policy.decide(&Redirect { status: response.status(), method, url, previous })
    }
}

/// Stores the method and the URL of the last request in the body of its response.
fn with_url(mut response: Box<Response>, method: Method, uri: Uri, fragment: Option<Box<str>>) -> Box<Response> {
    response.body_mut().set_url(FinalUrl { url: Url { uri, fragment }, method });
    response
}
