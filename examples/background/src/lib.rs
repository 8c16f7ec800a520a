//! Work after the response: the client has its answer, and the component goes on.
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
        // The work left to `wait_until` runs before the test ends, and on the stopped clock it takes no time.
        let _paused = test::pause();
        assert_eq!(super::handle(), "answered\n");
    }
}
