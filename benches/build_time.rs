//! What a clean release build costs: of `hello`, and beside it of a hello on the generated bindings alone.
//!
//! Each is built three times, in turns, where nothing has been built before, and the fastest build counts: whatever else
//! the machine does only ever adds.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use benches::{Failure, output_of};

const CRATES: [&str; 2] = ["raw-hello", "hello"];
const BUILDS: usize = 3;
const TARGET: &str = "wasm32-wasip2";

struct Build {
    time: Duration,
    wasm_bytes: u64,
}

fn main() -> Result<(), Failure> {
    // Downloads are no part of a build.
    output_of(&["fetch", "--quiet"])?;
    let mut builds = CRATES.map(|_| Vec::new());
    for _ in 0..BUILDS {
        for (name, builds) in CRATES.iter().zip(&mut builds) {
            builds.push(build(name)?);
        }
    }
    println!("{:<16}{:>10}{:>12}{:>10}{:>13}", "clean build", "crates", "seconds", "ratio", "wasm, bytes");
    let mut floor = None;
    for (name, builds) in CRATES.iter().zip(builds) {
        let Some(Build { time, wasm_bytes }) = builds.into_iter().min_by_key(|build| build.time) else { continue };
        let seconds = time.as_secs_f64();
        let ratio = seconds / *floor.get_or_insert(seconds);
        println!("{name:<16}{:>10}{seconds:>12.2}{ratio:>10.1}{wasm_bytes:>13}", crates(name)?);
    }
    Ok(())
}

/// Builds a crate of the workspace in an empty directory.
fn build(name: &str) -> Result<Build, Failure> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clean-build").join(name);
    if target.exists() {
        fs::remove_dir_all(&target)?;
    }
    let dir = target.to_string_lossy();
    let start = Instant::now();
    output_of(&["build", "--offline", "--release", "--target", TARGET, "--target-dir", &dir, "--package", name])?;
    let time = start.elapsed();
    let wasm = target.join(TARGET).join("release").join(name.replace('-', "_")).with_extension("wasm");
    Ok(Build { time, wasm_bytes: fs::metadata(wasm)?.len() })
}

/// How many crates are built for one, itself and those of its macros among them.
fn crates(name: &str) -> Result<usize, Failure> {
    let args = ["tree", "--offline", "--package", name, "--edges", "normal", "--target", TARGET];
    let tree = output_of(&[&args[..], &["--prefix", "none", "--no-dedupe", "--format", "{p}"]].concat())?;
    let mut crates: Vec<&str> = tree.lines().collect();
    crates.sort_unstable();
    crates.dedup();
    Ok(crates.len())
}
