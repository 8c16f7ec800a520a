//! What stands behind the middleware, to try it with.

use wayside::http_component;

#[http_component]
fn handle() -> &'static str {
    "Hello from behind!\n"
}
