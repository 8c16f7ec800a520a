use wayside::{Method, Uri};

#[wayside::http_component]
fn handle(method: Method, uri: Uri) -> String {
    format!("{method} {uri}")
}

fn main() {}
