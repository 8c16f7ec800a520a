//! The command `wayside compose`: writes a component and its middleware as one component.

use std::fs;

use wayside_harness::cargo::{self, Progress};
use wayside_harness::{Error, compose};

use crate::args::{Compose, Target};
use crate::exit_code::ExitCode;
use crate::report;

pub(crate) async fn run(args: Compose) -> Result<ExitCode, Error> {
    let Target { target, features } = args.target;
    let app = cargo::find_or_build(target, &features, Progress::Shown).await?;
    let mut middleware = Vec::new();
    for target in args.middleware {
        middleware.push(cargo::find_or_build(target, &[], Progress::Shown).await?);
    }
    let bytes = compose(&app, &middleware)?;
    let output = args.output.display();
    fs::write(&args.output, &bytes).map_err(|error| {
        Error::new(format!("cannot write the component `{output}`"))
            .with_help("choose a place that exists and that you may write to")
            .with_source(error)
    })?;
    report::note(&format!("wrote `{output}`, {} bytes", bytes.len()));
    Ok(ExitCode::Success)
}
