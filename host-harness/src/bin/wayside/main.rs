//! The `wayside` command.
fn main() {}
