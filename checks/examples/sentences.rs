//! Prints a random sample of the sentences in comments: `cargo run -p wayside-checks --example sentences -- SEED COUNT`.
//!
//! A reader who knows HTTP and Rust, and has not seen the code, should understand each at the first reading.

use std::env;

use wayside_checks::{Sources, sample, sentences};

const DIRS: [&str; 7] =
    ["sdk/src", "macros/src", "bindgen/src", "host-harness/src", "cli/src", "cli/tests", "host-harness/tests"];

fn main() {
    let mut numbers = env::args().skip(1).map(|number| number.parse::<u32>());
    let (Some(Ok(seed)), Some(Ok(count)), None) = (numbers.next(), numbers.next(), numbers.next()) else {
        eprintln!("usage: sentences SEED COUNT, both numbers");
        std::process::exit(2);
    };
    let all = DIRS.iter().flat_map(|dir| Sources::read(dir).files).flat_map(|file| sentences(&file)).collect();
    for sentence in sample(all, u64::from(seed), count as usize) {
        println!("{}\n    {}", sentence.place, sentence.text);
        if sentence.comment != sentence.text {
            println!("    (in: {})", sentence.comment);
        }
        if !sentence.code.is_empty() {
            println!("    (before: {})", sentence.code);
        }
    }
}
