#[wayside::http_middleware]
struct Auth;

fn main() {}
