struct Broken;

#[wayside::http_component]
fn handle() -> wayside::Body {
    wayside::Body::from_stream(futures_util::stream::iter([Ok("one"), Err(Broken)]))
}

fn main() {}
