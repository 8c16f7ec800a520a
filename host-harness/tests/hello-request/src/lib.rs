//! Greets like the example `hello`, but takes the whole request.

use wayside::{Request, http_component};

#[http_component]
fn handle(_: Request) -> &'static str {
    "Hello from Wayside!\n"
}
