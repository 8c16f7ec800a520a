//! Reads a body of any size without buffering it, and returns its length.
//!
//! ```text
//! cargo run -- request examples/upload / -X POST -d @Cargo.lock
//! ```

use wayside::{Body, Error, http_component};

#[http_component]
async fn handle(mut body: Body) -> Result<String, Error> {
    let mut length = 0;
    while let Some(piece) = body.next_chunk().await {
        length += piece?.len();
    }
    Ok(format!("{length} bytes\n"))
}

#[cfg(test)]
mod tests {
    use wayside::{Body, test};

    #[test]
    fn the_length_is_told() {
        let answer = test::block_on(super::handle(Body::from("hello")));
        assert_eq!(answer.unwrap(), "5 bytes\n");
    }
}
