#[wayside::http_component(max_body = "lots")]
fn handle(text: String) -> String {
    text
}

fn main() {}
