//! Tests that the inspector wrote, as it wrote them: they compile, and they hold. `SAVED=write cargo test inspector` writes
//! them anew.

#[rustfmt::skip]
mod call;
#[rustfmt::skip]
mod mirror;
