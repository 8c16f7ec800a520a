//! Responds with headers from an array with repeated names, added to a response that already has some of them.

use wayside::{IntoResponse, Request};

pub(crate) async fn handle(_: Request) -> impl IntoResponse {
    let inner = ([("set-cookie", "a=1"), ("vary", "accept")], "body");
    ([("set-cookie", "b=2"), ("vary", "cookie"), ("set-cookie", "c=3"), ("vary", "origin")], inner)
}
