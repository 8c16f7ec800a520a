//! `wayside bindgen`.

use wayside_bindgen::{Update, WORLDS};
use wayside_harness::Error;

use crate::args::Bindgen;
use crate::exit_code::ExitCode;
use crate::report;

pub(crate) fn run(args: &Bindgen) -> Result<ExitCode, Error> {
    for world in WORLDS {
        let file = world.bindings_file(&args.root);
        if args.check {
            world.check(&args.root).map_err(convert)?;
            report::note(&format!("{} is fresh", file.display()));
        } else {
            let what = match world.update(&args.root).map_err(convert)? {
                Update::Fresh => "was fresh",
                Update::Written => "was written",
            };
            report::note(&format!("{} {what}", file.display()));
        }
    }
    Ok(ExitCode::Success)
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
