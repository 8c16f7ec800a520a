//! Sends back the body that it gets, byte for byte, at any size: it is moved inside the host and never held whole.
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
