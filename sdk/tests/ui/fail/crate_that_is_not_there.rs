#[wayside::http_component(crate = roadside)]
fn handle() -> &'static str {
    "hello"
}

fn main() {}
