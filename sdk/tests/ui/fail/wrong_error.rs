#[wayside::http_component]
fn handle() -> Result<String, std::io::Error> {
    std::fs::read_to_string("data")
}

fn main() {}
