//! What a mistake looks like to the one who made it, and what is none.
//!
//! `TRYBUILD=overwrite cargo test --test ui` writes the expected messages anew.

#[test]
fn mistakes_are_explained_where_they_are() {
    let tests = trybuild::TestCases::new();
    tests.pass("tests/ui/pass/*.rs");
    tests.compile_fail("tests/ui/fail/*.rs");
}
