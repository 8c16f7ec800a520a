use wayside::middleware::Next;
use wayside::{Request, http_middleware};

#[http_middleware(service)]
async fn auth(_: Request, _: Next) -> &'static str {
    "no"
}

fn main() {}
