//! Spawns tasks that run beside the handler; the second segment of the path selects which.

use std::time::Duration;

use wayside::{IntoResponse, Request, Response, StatusCode, client, time};

pub(crate) async fn handle(request: Request) -> Response {
    match super::parameter(&request).as_str() {
        "nested" => {
            // There are so many levels that events of the request itself cannot wake all of them by chance.
            let innermost = async { wayside::spawn(async { "from within" }).await };
            let inner = async { wayside::spawn(innermost).await };
            wayside::spawn(inner).await.into_response()
        }
        "upload" => {
            wayside::wait_until(async {
                time::sleep(Duration::from_millis(1)).await;
                let upstream = std::env::var("UPSTREAM").unwrap_or_default();
                match client::Client::new().post(&upstream).body("sent late").send().await {
                    Ok(response) => println!("upstream answered {}", response.status()),
                    Err(error) => println!("upstream failed: {error}"),
                }
            });
            "accepted".into_response()
        }
        "beside-echo" => {
            wayside::spawn(async {
                time::sleep(Duration::from_millis(20)).await;
                println!("still there");
            })
            .detach();
            request.into_body().into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
