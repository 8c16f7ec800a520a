struct Broken;

#[wayside::http_component]
fn handle() -> Result<String, wayside::Error> {
    Err(Broken)?
}

fn main() {}
