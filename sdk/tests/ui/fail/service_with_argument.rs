#[wayside::http_component(service)]
fn app(req: wayside::Request) -> String {
    req.uri().to_string()
}

fn main() {}
