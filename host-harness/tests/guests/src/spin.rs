//! Computes for ever, without waiting for anything.

use std::hint::black_box;

use wayside::Request;

pub(crate) async fn handle(_: Request) -> String {
    let mut number = 0u64;
    loop {
        number = black_box(number.wrapping_add(1));
    }
}
