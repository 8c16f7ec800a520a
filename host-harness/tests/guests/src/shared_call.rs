//! Makes one call to `UPSTREAM` for all requests of an instance, which wait for it together. Requests with `/impatient`
//! in the path stop waiting after a short time.

use std::sync::Mutex;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use wayside::{Request, client, time};

static CALL: Mutex<Option<Shared<BoxFuture<'static, String>>>> = Mutex::new(None);

pub(crate) async fn handle(request: Request) -> String {
    let call = match CALL.lock() {
        Ok(mut call) => call.get_or_insert_with(|| upstream().boxed().shared()).clone(),
        Err(_) => return "poisoned".to_owned(),
    };
    if super::parameter(&request) == "impatient" {
        return match time::timeout(Duration::from_millis(20), call).await {
            Ok(answer) => answer,
            Err(_) => "too late".to_owned(),
        };
    }
    call.await
}

async fn upstream() -> String {
    let upstream = std::env::var("UPSTREAM").unwrap_or_default();
    match client::get(&upstream).await {
        Ok(response) => response.into_body().text().await.unwrap_or_else(|error| error.to_string()),
        Err(error) => error.to_string(),
    }
}
