#[wayside::http_component(path = "/hello")]
fn handle() -> &'static str {
    "hello"
}

fn main() {}
