use wayside::{Request, http_middleware};

#[http_middleware]
async fn auth(_: Request) -> &'static str {
    "no"
}

fn main() {}
