//! The command `wayside dev`: serves a crate and rebuilds it after each change.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use wayside_harness::{Build, Error, Outcome};

use crate::args::{Dev, Serving, Target};
use crate::exit_code::ExitCode;
use crate::recorders::Recorders;
use crate::stop::Stop;
use crate::{guest, report, serve};

/// The inspector shows at most this many bytes of each body.
const BODY_BYTES: usize = 64 * 1024;

pub(crate) async fn run(args: Dev) -> Result<ExitCode, Error> {
    serve::check_addr(&args.addr)?;
    let target = Target { target: args.dir, features: args.features };
    let mut recorders = Recorders::of([&args.guest.outbound]);
    let serving = Serving { instances: args.instances, ..Serving::default() };
    let builder = guest::open_for_serving(target, args.guest, &serving, &mut recorders).await?;
    let live = builder.pass_on_output().capture_bodies(BODY_BYTES).live()?;
    let server = live.serve(args.addr).await?;
    let inspector = if args.no_inspector { None } else { Some(live.inspector(&args.inspector).await?) };
    let mut stop = Stop::listen()?;
    report::note(&format!("listening on {}", server.url("/")));
    if let Some(inspector) = &inspector {
        report::note(&format!("requests are shown on {}", inspector.url()));
    }
    let mut builds = live.builds();
    tell(&builds.newest());
    loop {
        tokio::select! {
            build = builds.next() => if let Some(build) = build { tell(&build) },
            () = stop.told() => break,
        }
    }
    // Answers the browsers whose error page waits for the next build. Otherwise the server would wait for them.
    drop(live);
    drop(inspector);
    stop.finish(server).await;
    Ok(ExitCode::Success)
}

/// Reports the progress of a build.
fn tell(build: &Build) {
    match &build.outcome {
        Outcome::Running if build.number == 1 => report::note("building the crate; requests wait for it"),
        Outcome::Running => report::note(&format!("{} changed; building", files(&build.changed))),
        Outcome::Swapped { build: built, compile, .. } if build.number == 1 => {
            report::note(&format!("ready after {}; each change is built from here on", seconds(*built + *compile)));
        }
        Outcome::Swapped { build: built, compile, .. } => report::note(&format!(
            "the new component answers, after {} (cargo {}, compiling for this machine {})",
            seconds(*built + *compile),
            seconds(*built),
            seconds(*compile),
        )),
        Outcome::Unchanged => report::note("that made the same component"),
        Outcome::Failed(error) => {
            report::error(error);
            report::note("waiting for a change");
        }
        _ => {}
    }
}

/// Formats the path of the first file, relative to the working directory, and the number of the remaining files.
fn files(changed: &[PathBuf]) -> String {
    let here = env::current_dir().and_then(fs::canonicalize).unwrap_or_default();
    let name = |path: &Path| path.strip_prefix(&here).unwrap_or(path).display().to_string();
    match changed {
        [] => "something".to_owned(),
        [file] => name(file),
        [file, rest @ ..] => format!("{} and {} more", name(file), rest.len()),
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
