#[wayside::http_component]
async fn handle(id: u32) -> String {
    id.to_string()
}

fn main() {}
