use wayside::middleware::Next;
use wayside::{Request, Uri, http_middleware};

#[http_middleware]
async fn auth(_: Request, _: Next, _: Uri) -> &'static str {
    "no"
}

fn main() {}
