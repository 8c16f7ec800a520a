//! Runs cargo in this workspace.

use std::error::Error;
use std::process::Command;

/// What a benchmark failed of.
pub type Failure = Box<dyn Error>;

/// Cargo, in the root of the workspace.
#[must_use]
pub fn cargo(args: &[&str]) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(args).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    cargo
}

/// What cargo prints.
///
/// # Errors
///
/// Fails with what cargo says where it fails.
pub fn output_of(args: &[&str]) -> Result<String, Failure> {
    let output = cargo(args).output()?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    Err(format!("cargo {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr)).into())
}
