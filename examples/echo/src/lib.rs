//! Sends the request body back, byte for byte. The host moves the bytes, so any size works in little memory.
//!
//! ```text
//! cargo run -- request examples/echo / -X POST -d 'hello'
//! ```

use wayside::{Body, http_component};

#[http_component]
fn handle(body: Body) -> Body {
    body
}

#[cfg(test)]
mod tests {
    use wayside::{Body, test};

    #[test]
    fn the_body_comes_back() {
        let answer = super::handle(Body::from("hello"));
        assert_eq!(test::block_on(answer.text()).unwrap(), "hello");
    }
}
