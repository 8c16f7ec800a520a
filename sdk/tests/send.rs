//! Everything public is `Send`, as frameworks such as axum require.

#![cfg(all(feature = "form", feature = "json", feature = "multipart", feature = "tower"))]

use std::time::Duration;

use wayside::client::{self, Client, ClientBuilder, RequestBuilder};
use wayside::extract::{Form, Multipart, Part, Query};
use wayside::sse::{Event, Sse};
use wayside::time::{Elapsed, Interval, Sleep};
use wayside::{Body, Error, FromRequest, Html, IncomingRequest, Json, Request, Response, Task, Text, body, time};

fn is_send<T: Send>() {}

fn is_send_value<T: Send>(_: T) {}

#[test]
fn types_are_send() {
    is_send::<Request>();
    is_send::<Response>();
    is_send::<Body>();
    is_send::<body::Sender>();
    is_send::<body::Error>();
    is_send::<Error>();
    is_send::<client::Error>();
    is_send::<Client>();
    is_send::<ClientBuilder>();
    is_send::<RequestBuilder>();
    is_send::<client::Form>();
    is_send::<IncomingRequest>();
    is_send::<Json<u8>>();
    is_send::<Html<String>>();
    is_send::<Text<Vec<u8>>>();
    is_send::<Query<u8>>();
    is_send::<Form<u8>>();
    is_send::<Multipart>();
    is_send::<Part>();
    is_send::<Sse>();
    is_send::<Event>();
    is_send::<Task<u8>>();
    is_send::<Sleep>();
    is_send::<Interval>();
    is_send::<Elapsed>();
}

#[test]
fn futures_are_send() {
    // The futures are made and dropped, and never polled.
    let (mut sender, mut body) = Body::channel();
    is_send_value(sender.send("piece"));
    is_send_value(body.next_chunk());
    is_send_value(body.trailers());
    is_send_value(Body::empty().bytes());
    is_send_value(Body::empty().text());
    is_send_value(Body::empty().json::<u8>());
    is_send_value(client::get("http://a.test/"));
    is_send_value(client::send(Request::new(Body::empty())));
    is_send_value(Client::new().get("http://a.test/").send());
    is_send_value(Client::new().execute(Request::new(Body::empty())));
    is_send_value(time::sleep(Duration::ZERO));
    is_send_value(time::timeout(Duration::ZERO, async {}));
    is_send_value(time::interval(Duration::ZERO).tick());
}

#[test]
fn extractors_are_send() {
    fn extracts<T: FromRequest<M>, M>() -> impl Fn(IncomingRequest) {
        |request| is_send_value(T::from_request(request))
    }
    let request = || wayside::test::incoming(Request::new(Body::empty()));
    extracts::<Request, _>()(request());
    extracts::<Request<String>, _>()(request());
    extracts::<String, _>()(request());
    extracts::<Json<u8>, _>()(request());
    extracts::<Query<u8>, _>()(request());
    extracts::<Form<u8>, _>()(request());
    extracts::<Multipart, _>()(request());
}
