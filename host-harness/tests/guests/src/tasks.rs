//! Tasks that communicate over channels of other crates, which keep and call the wakers of the tasks.

use futures_util::{SinkExt as _, StreamExt as _};
use wayside::Request;

pub(crate) async fn handle(_: Request) -> String {
    let (sender, mut numbers) = tokio::sync::mpsc::channel(1);
    let (mut doubled, mut results) = futures_channel::mpsc::channel(0);
    wayside::spawn(async move {
        for number in 1..=4 {
            if sender.send(number).await.is_err() {
                return;
            }
        }
    })
    .detach();
    let doubler = wayside::spawn(async move {
        while let Some(number) = numbers.recv().await {
            if doubled.send(number * 2).await.is_err() {
                return;
            }
        }
    });
    let mut sum = 0;
    while let Some(number) = results.next().await {
        sum += number;
    }
    doubler.await;
    format!("the sum is {sum}\n")
}
