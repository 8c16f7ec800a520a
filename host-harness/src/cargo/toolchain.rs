//! The programs that a build needs, and the Rust target of components.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::{env, io};

use super::Said;
use crate::Error;

/// The target that components are built for.
pub(super) const TARGET: &str = "wasm32-wasip2";

pub(super) fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

pub(super) fn not_runnable(program: &str, error: io::Error) -> Error {
    Error::new(format!("cannot run `{program}`"))
        .with_help("install Rust from https://rustup.rs, or put it into PATH")
        .with_source(error)
}

/// Installs the target with rustup if the toolchain lacks it. Only one thread installs at a time, because rustup does
/// not wait for a parallel installation.
pub(super) fn ensure_target() -> Result<(), Error> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let output = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .map_err(|error| not_runnable("rustc", error))?;
    let libdir = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if output.status.success() && libdir.is_dir() {
        return Ok(());
    }
    tracing::warn!("the Rust target {TARGET} is missing; adding it with `rustup target add {TARGET}`");
    let missing = || {
        Error::new(format!("the Rust target `{TARGET}` is not installed, and rustup cannot add it"))
            .with_help(format!("run `rustup target add {TARGET}`, or install the target with your toolchain"))
    };
    let output = Command::new("rustup")
        .args(["target", "add", TARGET])
        .output()
        .map_err(|error| missing().with_source(error))?;
    if output.status.success() {
        return Ok(());
    }
    Err(missing().with_source(Said(String::from_utf8_lossy(&output.stderr).into_owned())))
}
