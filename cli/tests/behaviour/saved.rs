//! Tests that the inspector wrote. They are unchanged, and must compile and pass. `SAVED=write cargo test inspector`
//! writes them again.

#[rustfmt::skip]
mod asterisk;
#[rustfmt::skip]
mod call;
#[rustfmt::skip]
mod denied;
#[rustfmt::skip]
mod each;
#[rustfmt::skip]
mod mirror;
#[rustfmt::skip]
mod trailers;
#[rustfmt::skip]
mod trailers_of_a_call;
#[rustfmt::skip]
mod unread;
