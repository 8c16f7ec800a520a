//! Allocates until the memory is exhausted.

use std::hint::black_box;

use wayside::Request;

pub(crate) async fn handle(_: Request) -> String {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(black_box(vec![1; 1024 * 1024]));
    }
}
