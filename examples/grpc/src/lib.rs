//! A gRPC server with tonic: a unary call, a call with a stream of responses, statuses in trailers.
//!
//! The messages and the service are written by hand, so that the example needs no `protoc`. Code that tonic generates
//! from a `.proto` file works in the same way.
//!
//! ```text
//! cargo run -- serve examples/grpc
//! grpcurl -plaintext -proto hello.proto -d '{"name": "Ada"}' 127.0.0.1:3000 hello.Greeter/SayHello
//! ```

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{self, Iter};
use tonic::server::{Grpc, ServerStreamingService, UnaryService};
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;
use tower_service::Service;
use wayside::{http, http_component};

/// The request.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HelloRequest {
    /// The name of the person to greet.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// The greeting.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HelloReply {
    /// The text.
    #[prost(string, tag = "1")]
    pub message: String,
}

#[http_component(service)]
fn app() -> Greeter {
    Greeter
}

/// The service `hello.Greeter`.
#[derive(Clone, Copy, Debug)]
pub struct Greeter;

impl Service<wayside::Request> for Greeter {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: wayside::Request) -> Self::Future {
        let method = request.uri().path().to_owned();
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::<HelloReply, HelloRequest>::default());
            Ok(match method.as_str() {
                "/hello.Greeter/SayHello" => grpc.unary(SayHello, request).await,
                "/hello.Greeter/SayHelloTwice" => grpc.server_streaming(SayHelloTwice, request).await,
                _ => Status::new(Code::Unimplemented, "no such method").into_http(),
            })
        })
    }
}

struct SayHello;

impl UnaryService<HelloRequest> for SayHello {
    type Response = HelloReply;
    type Future = Ready<Result<Response<HelloReply>, Status>>;

    fn call(&mut self, request: Request<HelloRequest>) -> Self::Future {
        let name = request.into_inner().name;
        if name.is_empty() {
            return ready(Err(Status::invalid_argument("the name is empty")));
        }
        ready(Ok(Response::new(HelloReply { message: format!("hello {name}") })))
    }
}

struct SayHelloTwice;

impl ServerStreamingService<HelloRequest> for SayHelloTwice {
    type Response = HelloReply;
    type ResponseStream = Iter<std::vec::IntoIter<Result<HelloReply, Status>>>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<HelloRequest>) -> Self::Future {
        let name = request.into_inner().name;
        let replies = ["hello", "hello again"].map(|greeting| Ok(HelloReply { message: format!("{greeting} {name}") }));
        ready(Ok(Response::new(stream::iter(replies.into_iter().collect::<Vec<_>>()))))
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use tower_service::Service as _;

    use super::{Greeter, HelloReply, HelloRequest};

    #[wayside::test]
    async fn a_call_is_answered_with_its_status_in_the_trailers() {
        let message = HelloRequest { name: "Ada".to_owned() }.encode_to_vec();
        let frame = [&[0, 0, 0, 0, message.len() as u8], &message[..]].concat();
        let request = wayside::Request::post("http://a.test/hello.Greeter/SayHello").body(frame.into()).unwrap();
        let response = Greeter.call(request).await.unwrap();
        let mut body = wayside::Body::from_http_body(response.into_body());
        let reply = body.next_chunk().await.unwrap().unwrap();
        assert_eq!(HelloReply::decode(&reply[5..]).unwrap().message, "hello Ada");
        assert_eq!(body.trailers().await.unwrap().unwrap()["grpc-status"], "0");
    }
}
