//! The options.

#[wayside::http_component(max_body = "10 MiB", crate = wayside)]
fn handle(text: String) -> String {
    text
}

mod exact {
    #[wayside::http_component(max_body = "512B")]
    async fn handle(bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }
}

fn main() {}
