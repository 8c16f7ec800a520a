//! Panics in the handler.

use wayside::Request;

pub(crate) async fn handle(request: Request) -> String {
    panic!("the handler gave up on {}", super::parameter(&request))
}
