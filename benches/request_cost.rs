//! What a request costs: runs the test that counts it, in the profile of tests, for which the host is built anyway.

use benches::{Failure, cargo};

fn main() -> Result<(), Failure> {
    if cargo(&["test", "--quiet", "--test", "cost"]).status()?.success() {
        return Ok(());
    }
    Err("a request costs more than on record".into())
}
