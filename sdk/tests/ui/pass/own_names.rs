//! User items with names that the expansion also uses.

#![allow(dead_code, non_upper_case_globals)]

mod wayside {}
mod std {}
mod core {}

struct Result;
struct Option;
struct String;
struct Box;
struct Component;
struct Guest;
struct Handler;
struct Some;

static request: u8 = 0;
static next: u8 = 0;
static argument: u8 = 0;

impl ::wayside::FromRequest for Component {
    type Rejection = ::wayside::Error;

    async fn from_request(_: ::wayside::IncomingRequest) -> ::core::result::Result<Self, ::wayside::Error> {
        ::core::result::Result::Ok(Component)
    }
}

impl ::wayside::IntoResponse for Result {
    fn into_response(self) -> ::wayside::Response {
        ::wayside::Response::default()
    }
}

#[::wayside::http_component]
async fn answer(_: Component) -> Result {
    Result
}

mod variables {
    #[::wayside::http_component]
    fn request(_: ::wayside::Request) -> &'static str {
        "hello"
    }

    #[::wayside::http_component]
    fn argument(_: ::wayside::Request) {}

    #[::wayside::http_middleware]
    async fn next(request: ::wayside::Request, next: ::wayside::middleware::Next) -> ::wayside::Response {
        next.run(request).await
    }
}

#[::wayside::test]
async fn block_on() {}

fn main() {}
