//! A WASI 0.3 handler that spawns with the runtime of `wit-bindgen`; the path selects the task.

use std::time::Duration;

use wayside::{Request, http_component, time};
use wit_bindgen::rt::async_support::spawn_local;

const TICK: Duration = Duration::from_millis(1);

#[http_component]
async fn handle(request: Request) -> String {
    let path = request.uri().path().to_owned();
    match path.as_str() {
        "/awaited" => {
            let doubled = spawn_local(async {
                time::sleep(TICK).await;
                // This task spawns two others: one with `wit-bindgen`, and one with the SDK.
                let inner = spawn_local(async { 20 }).await.unwrap_or_default();
                inner + wayside::spawn(async { 1 }).await
            });
            format!("{:?}", doubled.await.map(|number| number * 2))
        }
        "/cancelled" => {
            let mut task = spawn_local(std::future::pending::<()>());
            task.cancel();
            format!("{:?}", task.await)
        }
        "/after" => {
            spawn_local(async {
                for _ in 0..3 {
                    time::sleep(TICK).await;
                }
                println!("the work was done");
            });
            "answered".to_owned()
        }
        _ => "unknown".to_owned(),
    }
}
