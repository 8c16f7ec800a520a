//! The command `wayside completions`: prints a completion script for a shell.

use clap::CommandFactory as _;
use wayside_harness::Error;

use crate::args::{Args, Completions};
use crate::exit_code::ExitCode;
use crate::report;

pub(crate) fn run(args: &Completions) -> Result<ExitCode, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "wayside", &mut script);
    let mut printed = report::Raw::to_stdout();
    printed.print(&script)?;
    printed.finish()?;
    Ok(ExitCode::Success)
}
