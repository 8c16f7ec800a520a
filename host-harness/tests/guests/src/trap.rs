//! Traps without a panic.

use wayside::Request;

pub(crate) async fn handle(_: Request) -> String {
    trap()
}

pub(crate) fn trap() -> ! {
    std::process::abort()
}
