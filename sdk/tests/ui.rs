//! The compiler's messages for mistakes, and code that must compile.
//!
//! `TRYBUILD=overwrite cargo test --test ui` updates the expected messages.

#[test]
fn mistakes_are_explained_where_they_are() {
    let tests = trybuild::TestCases::new();
    tests.pass("tests/ui/pass/*.rs");
    tests.compile_fail("tests/ui/fail/*.rs");
}
