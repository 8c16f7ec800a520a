use wayside::middleware::Next;
use wayside::{Request, http_middleware};

#[http_middleware]
async fn auth(_: Next, _: Request) -> &'static str {
    "no"
}

fn main() {}
