#[wayside::test(max_body = "1 MiB")]
fn the_handler_answers() {}

fn main() {}
