//! A handler stays the function that it was.

#[wayside::http_component]
fn handle(name: String) -> String {
    format!("hello {name}")
}

struct Component;

fn main() {
    assert_eq!(handle("Ada".to_owned()), "hello Ada");
    let _ = Component;
}
