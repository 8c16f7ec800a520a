#[wayside::http_component]
struct Handler;

fn main() {}
