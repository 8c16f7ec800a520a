#[wayside::http_component]
async fn handle() -> u32 {
    7
}

fn main() {}
