//! Takes a JSON document and responds with another. Invalid requests are rejected before the handler runs: 415 for
//! another media type, 400 for invalid JSON, 422 for JSON that does not fit the type.
//!
//! ```text
//! cargo run -- request examples/json / -X POST -H 'content-type: application/json' -d '{"numbers": [1, 2, 3]}'
//! ```

use serde::{Deserialize, Serialize};
use wayside::{Json, http_component};

#[derive(Deserialize)]
struct Numbers {
    numbers: Vec<i64>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Summary {
    count: usize,
    sum: i64,
}

#[http_component]
fn handle(Json(Numbers { numbers }): Json<Numbers>) -> Json<Summary> {
    let sum = numbers.iter().fold(0, |sum, number| i64::saturating_add(sum, *number));
    Json(Summary { count: numbers.len(), sum })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_summed() {
        let Json(summary) = handle(Json(Numbers { numbers: vec![1, 2, 3] }));
        assert_eq!(summary, Summary { count: 3, sum: 6 });
    }
}
