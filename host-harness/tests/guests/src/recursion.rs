//! Recurses until the stack is full.

use std::hint::black_box;

use wayside::Request;

pub(crate) async fn handle(_: Request) -> String {
    deeper(0).to_string()
}

#[expect(unconditional_recursion, reason = "that is the point")]
fn deeper(depth: u64) -> u64 {
    black_box(deeper(black_box(depth + 1))) + 1
}
