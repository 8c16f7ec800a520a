#[wayside::http_component]
fn handle(req: &wayside::Request) -> String {
    req.uri().to_string()
}

fn main() {}
