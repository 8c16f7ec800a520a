//! Tower services as handlers.
//!
//! All requests of an instance share one service. A service may keep only the waker of the last caller of
//! `poll_ready`, so only one request at a time calls `poll_ready`. The other requests wait in a queue. Once a request
//! has called the service, it wakes the next request in the queue.

mod grpc;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::StatusCode;
use http_body::Body as HttpBody;
use tower_service::Service;

use crate::component::ArrivingRequest;
use crate::{Body, Error, IncomingRequest, Request, Response};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type ServiceFuture = Pin<Box<dyn Future<Output = Result<Response, BoxError>>>>;

/// A type-erased service.
trait ErasedService {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>>;
    fn call(&mut self, request: Request) -> ServiceFuture;
}

impl<S, B> ErasedService for S
where
    S: Service<Request, Response = http::Response<B>, Error: Into<BoxError>, Future: 'static>,
    B: HttpBody<Data: Into<Bytes>, Error: Into<BoxError>> + Send + 'static,
{
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Service::poll_ready(self, cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request) -> ServiceFuture {
        let answer = Service::call(self, request);
        Box::pin(async move { Ok(answer.await.map_err(Into::into)?.map(Body::from_http_body)) })
    }
}

/// The service of an instance, and the queue of the requests that have not called it yet.
struct InstanceService {
    /// `None` until the first request creates the service, and while a request uses it.
    service: Option<Box<dyn ErasedService>>,
    queue: VecDeque<QueuedRequest>,
    last_number: u64,
}

/// A request in the queue.
struct QueuedRequest {
    number: u64,
    /// The waker of the task of the request, unless the request has been woken because its turn has come.
    waker: Option<Waker>,
}

thread_local! {
    /// Not borrowed while the service runs or a waker is cloned, woken or dropped, because that code may access this
    /// variable too.
    static SHARED: RefCell<InstanceService> =
        const { RefCell::new(InstanceService { service: None, queue: VecDeque::new(), last_number: 0 }) };
}

/// Sends a request to the service, which `make` creates once per instance. Enforces the time limit in the header
/// `grpc-timeout` of a gRPC call.
///
/// # Errors
///
/// Fails if the request cannot be read, or if the service fails.
pub async fn answer_service<S, B>(make: fn() -> S, request: ArrivingRequest) -> Result<Response, Error>
where
    S: Service<Request, Response = http::Response<B>, Error: Into<BoxError>, Future: 'static> + 'static,
    B: HttpBody<Data: Into<Bytes>, Error: Into<BoxError>> + Send + 'static,
{
    let request = IncomingRequest::new(request).into_request()?;
    let limited = grpc::Limited::of(request.headers());
    let call = call(|| Box::new(make()), request);
    let answer = match limited {
        Some(limited) => limited.answer(call).await,
        None => call.await,
    };
    answer.map_err(|error| Error::from_status(StatusCode::INTERNAL_SERVER_ERROR).with_source(error))
}

/// Waits until all earlier requests have called the service and the service is ready, and then calls it.
async fn call(make: impl Fn() -> Box<dyn ErasedService>, request: Request) -> Result<Response, BoxError> {
    let mut request = Some(request);
    let mut turn = Turn(None);
    let answering = poll_fn(|cx| {
        if !turn.is_first(cx) {
            return Poll::Pending;
        }
        // If the service panics or its `poll_ready` fails, it is not put back into `SHARED`, and the next request
        // creates a new service.
        let mut service = SHARED.with_borrow_mut(|shared| shared.service.take()).unwrap_or_else(&make);
        let answering = match service.poll_ready(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(match request.take() {
                Some(request) => Ok(service.call(request)),
                None => Err("the service has already been called with this request".into()),
            }),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        };
        put_back(service);
        answering
    })
    .await;
    drop(turn);
    answering?.await
}

fn put_back(service: Box<dyn ErasedService>) {
    let _other = SHARED.with_borrow_mut(|shared| shared.service.replace(service));
}

/// The place of a request in the queue. On drop, removes the request from the queue. If the request was the first,
/// wakes the next one.
struct Turn(Option<u64>);

impl Turn {
    /// Whether this request is the first in the queue. Stores the waker, which is woken when the request becomes the
    /// first. The first call puts the request into the queue.
    fn is_first(&mut self, cx: &mut Context<'_>) -> bool {
        let waker = cx.waker().clone();
        let (is_first, _replaced) = SHARED.with_borrow_mut(|shared| {
            let replaced = match self.0 {
                Some(number) => {
                    let place = shared.queue.iter_mut().find(|place| place.number == number);
                    place.and_then(|place| place.waker.replace(waker))
                }
                None => {
                    shared.last_number += 1;
                    self.0 = Some(shared.last_number);
                    shared.queue.push_back(QueuedRequest { number: shared.last_number, waker: Some(waker) });
                    None
                }
            };
            (shared.queue.front().map(|place| place.number) == self.0, replaced)
        });
        is_first
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let (next, _left) = SHARED.with_borrow_mut(|shared| {
            let Some(index) = shared.queue.iter().position(|place| Some(place.number) == self.0) else {
                return (None, None);
            };
            let left = shared.queue.remove(index);
            let next = if index == 0 { shared.queue.front_mut().and_then(|place| place.waker.take()) } else { None };
            (next, left)
        });
        if let Some(next) = next {
            next.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::rc::Rc;
    use std::time::Duration;

    use futures_util::future::join_all;
    use futures_util::poll;

    use super::*;
    use crate::test;
    use crate::time::sleep;

    /// The number of created services, and the state that all services share.
    #[derive(Clone, Default)]
    struct Log {
        made: Rc<Cell<u32>>,
        busy: Rc<Cell<bool>>,
        /// The waker of the last caller that found the service busy.
        waiting: Rc<Cell<Option<Waker>>>,
    }

    impl Log {
        fn made(&self) -> u32 {
            self.made.get()
        }

        fn free(&self) {
            self.busy.set(false);
            if let Some(waker) = self.waiting.take() {
                waker.wake();
            }
        }
    }

    /// A service that takes one request at a time. The path `/panic` makes it panic, and `/nest` makes it call
    /// itself.
    struct OneAtATime {
        log: Log,
        fails: bool,
    }

    impl Service<Request> for OneAtATime {
        type Response = Response;
        type Error = BoxError;
        type Future = ServiceFuture;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            if self.fails {
                return Poll::Ready(Err("out of order".into()));
            }
            if self.log.busy.replace(true) {
                self.log.waiting.set(Some(cx.waker().clone()));
                return Poll::Pending;
            }
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request) -> ServiceFuture {
            let log = self.log.clone();
            let path = request.uri().path().to_owned();
            assert_ne!(path, "/panic");
            if path == "/nest" {
                // The inner request enters the queue, and leaves it when its future is dropped.
                let inner = Box::pin(call(unused, Request::new(Body::empty())));
                assert!(futures_util::FutureExt::now_or_never(inner).is_none());
            }
            Box::pin(async move {
                sleep(Duration::from_millis(1)).await;
                log.free();
                Ok(Response::new(path.into()))
            })
        }
    }

    fn unused() -> Box<dyn ErasedService> {
        unreachable!("the service exists already")
    }

    fn make(log: &Log) -> impl Fn() -> Box<dyn ErasedService> + use<> {
        let log = log.clone();
        move || {
            log.made.set(log.made() + 1);
            // The first service fails if the test has set `busy`.
            let fails = log.made() == 1 && log.busy.replace(false);
            Box::new(OneAtATime { log: log.clone(), fails })
        }
    }

    async fn send(log: &Log, path: &str) -> Result<String, BoxError> {
        let request = Request::get(path).body(Body::empty()).unwrap();
        Ok(call(make(log), request).await?.into_body().text().await?)
    }

    #[test]
    fn a_service_that_keeps_one_waker_answers_all_requests_in_order() {
        let log = Log::default();
        let paths = ["/1", "/2", "/3", "/4", "/5"];
        let answers = test::block_on(join_all(paths.map(|path| send(&log, path))));
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!((answers, log.made()), (paths.map(str::to_owned).to_vec(), 1));
    }

    #[test]
    fn a_request_that_is_dropped_in_the_line_leaves_the_others_their_turn() {
        let log = Log::default();
        test::block_on(async {
            let [mut served, mut asking, mut dropped, mut last] =
                ["/served", "/asking", "/dropped", "/last"].map(|path| Box::pin(send(&log, path)));
            for request in [&mut served, &mut asking, &mut dropped, &mut last] {
                assert!(poll!(request).is_pending());
            }
            drop(dropped);
            let answers = join_all([served, asking, last]).await;
            let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
            assert_eq!(answers, ["/served", "/asking", "/last"]);
        });
    }

    #[test]
    fn a_request_that_is_dropped_while_it_asks_for_readiness_leaves_the_next_its_turn() {
        let log = Log::default();
        test::block_on(async {
            let [mut served, mut asking, mut next] =
                ["/served", "/asking", "/next"].map(|path| Box::pin(send(&log, path)));
            for request in [&mut served, &mut asking, &mut next] {
                assert!(poll!(request).is_pending());
            }
            drop(asking);
            let answers = join_all([served, next]).await;
            let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
            assert_eq!(answers, ["/served", "/next"]);
        });
    }

    #[test]
    fn a_service_that_is_never_ready_again_is_made_anew() {
        let log = Log::default();
        log.busy.set(true);
        let answers = test::block_on(join_all(["/1", "/2", "/3"].map(|path| send(&log, path))));
        let [first, second, third] = &answers[..] else { panic!("{answers:?}") };
        assert_eq!(first.as_ref().unwrap_err().to_string(), "out of order");
        assert_eq!((second.as_deref().unwrap(), third.as_deref().unwrap(), log.made()), ("/2", "/3", 2));
    }

    #[test]
    fn a_service_that_panics_is_made_anew() {
        let log = Log::default();
        let panics = AssertUnwindSafe(|| test::block_on(send(&log, "/panic")));
        catch_unwind(panics).unwrap_err();
        log.free();
        assert_eq!(test::block_on(send(&log, "/next")).unwrap(), "/next");
        assert_eq!(log.made(), 2);
    }

    #[test]
    fn a_service_may_be_called_from_within_a_call() {
        let log = Log::default();
        assert_eq!(test::block_on(send(&log, "/nest")).unwrap(), "/nest");
    }

    #[test]
    fn an_infallible_service_answers() {
        #[derive(Clone)]
        struct Plain;
        impl Service<Request> for Plain {
            type Response = http::Response<String>;
            type Error = Infallible;
            type Future = std::future::Ready<Result<Self::Response, Infallible>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, _: Request) -> Self::Future {
                std::future::ready(Ok(http::Response::new("plain".to_owned())))
            }
        }
        let answer = test::block_on(call(|| Box::new(Plain), Request::new(Body::empty()))).unwrap();
        assert_eq!(test::block_on(answer.into_body().text()).unwrap(), "plain");
    }
}
