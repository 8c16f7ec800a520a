//! The `wayside` command: builds, serves, requests and inspects WASI HTTP components.

mod args;
mod bench;
mod bindgen;
mod build;
mod check;
mod completions;
mod compose;
mod dev;
mod env_file;
mod exit_code;
mod guest;
mod hosts;
mod inspect;
mod log;
mod new;
mod recorders;
mod report;
mod request;
mod serve;
mod settings;
mod stop;
mod template;
mod units;

use std::process::ExitCode;

use clap::Parser as _;
use wayside_harness::Error;

use args::{Args, Command};

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return report::misuse(&error),
    };
    log::start(args.command.trace_wasi());
    match stop::run(run(args.command)) {
        Ok(code) => code.into(),
        Err(error) => {
            report::error(&error);
            exit_code::ExitCode::Failure.into()
        }
    }
}

async fn run(command: Command) -> Result<exit_code::ExitCode, Error> {
    match command {
        Command::New(args) => new::run(args),
        Command::Build(args) => build::run(&args),
        Command::Dev(args) => dev::run(args).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Request(args) => request::run(args).await,
        Command::Inspect(args) => inspect::run(args).await,
        Command::Check(args) => check::run(args).await,
        Command::Bench(args) => bench::run(args).await,
        Command::Compose(args) => compose::run(args).await,
        Command::Bindgen(args) => bindgen::run(&args),
        Command::Completions(args) => completions::run(&args),
    }
}
