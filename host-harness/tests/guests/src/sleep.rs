//! Runs two concurrent sleeps, and responds with their names in the order in which they end.

use std::cell::RefCell;
use std::time::Duration;

use wayside::{Request, time};

pub(crate) async fn handle(_: Request) -> String {
    let order = RefCell::new(String::new());
    let sleep = async |name: &str, millis: u64| {
        time::sleep(Duration::from_millis(millis)).await;
        order.borrow_mut().push_str(name);
    };
    futures_util::join!(sleep("slow ", 60), sleep("quick ", 5));
    order.into_inner()
}
