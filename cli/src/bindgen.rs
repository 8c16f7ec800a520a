//! The command `wayside bindgen`: regenerates the bindings of the SDK.

use std::path::Path;

use wayside_bindgen::{Update, WIT_COPIES, WORLDS};
use wayside_harness::Error;

use crate::args::Bindgen;
use crate::exit_code::ExitCode;
use crate::report;

pub(crate) fn run(args: &Bindgen) -> Result<ExitCode, Error> {
    let root = &args.root;
    for world in WORLDS {
        one(args, &world.bindings_file(root), || world.check(root), || world.update(root))?;
    }
    for copy in WIT_COPIES {
        one(args, &copy.file(root), || copy.check(root), || copy.update(root))?;
    }
    Ok(ExitCode::Success)
}

/// Checks or updates one generated file.
fn one(
    args: &Bindgen,
    file: &Path,
    check: impl FnOnce() -> Result<(), wayside_bindgen::Error>,
    update: impl FnOnce() -> Result<Update, wayside_bindgen::Error>,
) -> Result<(), Error> {
    let what = if args.check {
        check().map(|()| "is fresh")
    } else {
        update().map(|update| match update {
            Update::Fresh => "was fresh",
            Update::Written => "was written",
        })
    };
    report::note(&format!("{} {}", file.display(), what.map_err(convert)?));
    Ok(())
}

fn convert(mut error: wayside_bindgen::Error) -> Error {
    let help = if error.is_stale() {
        "write them anew with `cargo run -- bindgen`"
    } else {
        "run this in the root of a checkout, or name it with `--root`"
    };
    let converted = Error::new(error.to_string()).with_help(help);
    match error.take_source() {
        Some(source) => converted.with_source(source),
        None => converted,
    }
}
