//! The `wayside` crate under another name.

use wayside as roadside;

#[roadside::http_component(crate = roadside)]
fn handle() -> &'static str {
    "hello"
}

mod inner {
    #[super::roadside::http_component(crate = crate::roadside,)]
    fn handle() -> &'static str {
        "hello"
    }
}

fn main() {}
