//! Server-sent events: a countdown from three to zero, one event every tenth of a second, each sent at once.
//!
//! ```text
//! cargo run -- serve examples/sse
//! curl -N http://127.0.0.1:3000/
//! ```

use std::convert::Infallible;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use wayside::sse::{Event, Sse};
use wayside::{http_component, time};

#[http_component]
fn handle() -> Sse {
    let numbers = stream::iter((0..=3).rev());
    Sse::new(numbers.then(async |number| {
        time::sleep(Duration::from_millis(100)).await;
        Ok::<_, Infallible>(Event::new(number.to_string()).event("count"))
    }))
}

#[cfg(test)]
mod tests {
    use wayside::{IntoResponse as _, test};

    #[wayside::test]
    async fn it_counts_to_zero() {
        let _paused = test::pause();
        let text = super::handle().into_response().into_body().text().await.unwrap();
        assert!(text.starts_with("data: 3\nevent: count\n\n"), "{text}");
        assert!(text.ends_with("data: 0\nevent: count\n\n"), "{text}");
    }
}
