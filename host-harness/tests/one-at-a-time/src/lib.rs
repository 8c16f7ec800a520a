//! A tower service that handles one request at a time, like tower's `ConcurrencyLimit`: it waits for a permit in
//! `poll_ready`, where the waker of the last caller replaces the previous one. Each request calls `UPSTREAM`.
//!
//! After a request to `/fail`, every `poll_ready` fails.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_service::Service;
use wayside::{IntoResponse as _, Request, Response, client, http_component};

type Error = Box<dyn std::error::Error + Send + Sync>;

#[http_component(service)]
fn app() -> OneAtATime {
    OneAtATime { permits: Arc::new(Semaphore::new(1)), waiting: None, permit: None, failed: false }
}

type Waiting = Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>;
type Answering = Pin<Box<dyn Future<Output = Result<Response, Error>> + Send>>;

struct OneAtATime {
    permits: Arc<Semaphore>,
    waiting: Option<Waiting>,
    permit: Option<OwnedSemaphorePermit>,
    failed: bool,
}

impl Service<Request> for OneAtATime {
    type Response = Response;
    type Error = Error;
    type Future = Answering;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.failed {
            return Poll::Ready(Err("it has failed before".into()));
        }
        if self.permit.is_none() {
            let permits = &self.permits;
            let waiting = self.waiting.get_or_insert_with(|| {
                let permits = Arc::clone(permits);
                Box::pin(async move { permits.acquire_owned().await.ok() })
            });
            self.permit = ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Answering {
        let permit = self.permit.take();
        self.failed = request.uri().path() == "/fail";
        Box::pin(async move {
            let answer = client::get(&std::env::var("UPSTREAM")?).await?.into_body().text().await?;
            drop(permit);
            Ok(answer.into_response())
        })
    }
}
