#[wayside::http_component]
unsafe fn handle() -> &'static str {
    "hello"
}

fn main() {}
