//! Work after the response: the client gets its response at once, and the component continues.
//!
//! ```text
//! cargo run -- request examples/background
//! ```

use std::time::Duration;

use wayside::{http_component, time, wait_until};

#[http_component]
fn handle() -> &'static str {
    wait_until(async {
        time::sleep(Duration::from_millis(50)).await;
        eprintln!("counted, after the answer");
    });
    "answered\n"
}

#[cfg(test)]
mod tests {
    use wayside::test;

    #[wayside::test]
    async fn the_answer_does_not_wait() {
        // The work of `wait_until` runs before the test ends; the paused clock lets it pass without waiting.
        let _paused = test::pause();
        assert_eq!(super::handle(), "answered\n");
    }
}
