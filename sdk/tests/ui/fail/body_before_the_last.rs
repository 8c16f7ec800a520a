use wayside::{Json, Method};

#[wayside::http_component]
fn handle(Json(number): Json<u8>, method: Method) -> String {
    format!("{method} {number}")
}

fn main() {}
