#[wayside::http_component]
fn handle<T: wayside::FromRequest>(_: T) -> &'static str {
    "hello"
}

fn main() {}
