#[wayside::http_component]
fn handle(request: impl Send) -> &'static str {
    "hello"
}

fn main() {}
