//! The smallest handler. Run it from the root of the checkout:
//!
//! ```text
//! cargo run -- serve examples/hello
//! curl http://127.0.0.1:3000/
//! ```

use wayside::http_component;

#[http_component]
fn handle() -> &'static str {
    "Hello from Wayside!\n"
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_greets() {
        assert_eq!(super::handle(), "Hello from Wayside!\n");
    }
}
