//! Tower services as handlers.

mod grpc;

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use http_body::Body as HttpBody;
use tower_service::Service;

use crate::respond::Answer;
use crate::{Body, Error, IncomingRequest, IntoResponse, Request, Response};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

thread_local! {
    /// The service of the component, made at the first request.
    static SERVICE: RefCell<Option<Box<dyn Erased>>> = const { RefCell::new(None) };
}

/// A service without its types.
trait Erased {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>>;
    fn call(&mut self, request: Request) -> Pin<Box<dyn Future<Output = Result<Response, BoxError>>>>;
}

impl<S, B> Erased for S
where
    S: Service<Request, Response = http::Response<B>, Error: Into<BoxError>, Future: 'static>,
    B: HttpBody<Data: Into<Bytes>, Error: Into<BoxError>> + Send + 'static,
{
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Service::poll_ready(self, cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request) -> Pin<Box<dyn Future<Output = Result<Response, BoxError>>>> {
        let answer = Service::call(self, request);
        Box::pin(async move { Ok(answer.await.map_err(Into::into)?.map(Body::from_http_body)) })
    }
}

/// Runs a request through the service that a function makes, once an instance. A call of gRPC is held to its deadline.
pub async fn answer_service<S, B>(make: fn() -> S, request: IncomingRequest) -> Answer
where
    S: Service<Request, Response = http::Response<B>, Error: Into<BoxError>, Future: 'static> + 'static,
    B: HttpBody<Data: Into<Bytes>, Error: Into<BoxError>> + Send + 'static,
{
    let request = match request.into_request() {
        Ok(request) => request,
        Err(error) => return error.into_answer(),
    };
    SERVICE.with_borrow_mut(|service| {
        service.get_or_insert_with(|| Box::new(make()));
    });
    let answer = match grpc::Limited::of(request.headers()) {
        Some(limited) => limited.answer(call(request)).await,
        None => call(request).await,
    };
    match answer {
        Ok(response) => response.into_answer(),
        Err(error) => Error::from_status(StatusCode::INTERNAL_SERVER_ERROR).with_source(error).into_answer(),
    }
}

async fn call(request: Request) -> Result<Response, BoxError> {
    let gone = || BoxError::from("the service is gone");
    poll_fn(|cx| {
        SERVICE.with_borrow_mut(|service| match service {
            Some(service) => service.poll_ready(cx),
            None => Poll::Ready(Err(gone())),
        })
    })
    .await?;
    let answer = SERVICE.with_borrow_mut(|service| service.as_mut().map(|service| service.call(request)));
    answer.ok_or_else(gone)?.await
}
