#[wayside::http_component(crate)]
fn handle() -> &'static str {
    "hello"
}

fn main() {}
