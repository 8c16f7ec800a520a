//! Traps without a panic after a part of the response body has been sent.

use std::convert::Infallible;

use futures_util::{StreamExt as _, stream};
use wayside::{Body, Request};

pub(crate) async fn handle(_: Request) -> Body {
    Body::from_stream(stream::iter(0..2).map(|number| match number {
        0 => Ok::<_, Infallible>("first part"),
        _ => super::trap::trap(),
    }))
}
