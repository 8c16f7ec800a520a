//! A body whose source fails in the middle.

use futures_util::stream;
use wayside::{Body, Request};

pub(crate) async fn handle(_: Request) -> Body {
    Body::from_stream(stream::iter([Ok("first part"), Err("the source ran dry")]))
}
