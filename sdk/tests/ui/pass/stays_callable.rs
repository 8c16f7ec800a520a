//! A handler can still be called as a function.

#[wayside::http_component]
fn handle(name: String) -> String {
    format!("hello {name}")
}

struct Component;

fn main() {
    assert_eq!(handle("Ada".to_owned()), "hello Ada");
    let _ = Component;
}
