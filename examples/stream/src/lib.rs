//! Streams a body: 64 pieces of 16 KiB, each sent before the next is made.
//!
//! ```text
//! cargo run -- request examples/stream / | wc -c
//! ```

use std::convert::Infallible;

use futures_util::stream;
use wayside::{Body, http_component};

const PIECES: u8 = 64;
const PIECE_BYTES: usize = 16 * 1024;

#[http_component]
fn handle() -> Body {
    let pieces = (0..PIECES).map(|number| Ok::<_, Infallible>(vec![b'a' + number % 26; PIECE_BYTES]));
    Body::from_stream(stream::iter(pieces))
}

#[cfg(test)]
mod tests {
    use wayside::test;

    #[test]
    fn the_pieces_make_one_mebibyte() {
        let bytes = test::block_on(super::handle().bytes()).unwrap();
        assert_eq!(bytes.len(), 1024 * 1024);
        assert!(bytes.starts_with(b"aaaa"));
    }
}
