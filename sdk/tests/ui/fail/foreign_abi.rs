#[wayside::http_component]
extern "C" fn handle() {}

fn main() {}
