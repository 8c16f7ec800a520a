#[wayside::http_component(max_body = "1024")]
fn handle(text: String) -> String {
    text
}

fn main() {}
