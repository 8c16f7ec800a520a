//! The command `wayside dev`: serves crates, and rebuilds them after each change.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use tokio::sync::mpsc;
use wayside_harness::{Build, Error, Harness, Inspector, Live, Outcome, Routes};

use crate::args::{Dev, Guest, Serve, Serving, Target};
use crate::exit_code::ExitCode;
use crate::guest::Environment;
use crate::log::Format;
use crate::recorders::Recorders;
use crate::settings::{self, Settings};
use crate::stop::Stop;
use crate::{guest, report, serve};

/// The inspector shows at most this many bytes of each body.
const BODY_BYTES: usize = 64 * 1024;

pub(crate) async fn run(args: Dev) -> Result<ExitCode, Error> {
    let (addr, client_timeout, drain_timeout, apps) = open(args.serve).await?;
    let mut stop = Stop::listen()?;
    let server = match &apps[..] {
        [App { served: Served::Live(live), route: None, .. }] => live.serve(addr),
        apps => {
            let mut routes = Routes::new();
            for App { route, served, .. } in apps {
                let route = route.as_deref().unwrap_or("/");
                routes = match served {
                    Served::Live(live) => routes.add_live(route, live)?,
                    Served::File(harness) => routes.add(route, harness)?,
                };
            }
            routes.serve(addr)
        }
    };
    let server = serve::timed(server, client_timeout, drain_timeout).await?;
    report::note(&format!("listening on {}", server.url("/")));
    let inspectors = if args.no_inspector { Vec::new() } else { inspect(&apps, &args.inspector).await? };
    follow(&apps, &mut stop).await;
    // Answers the browsers whose error page waits for the next build. Otherwise the server would wait for them.
    drop(apps);
    drop(inspectors);
    stop.finish(server).await;
    Ok(ExitCode::Success)
}

/// A component and its place.
struct App {
    /// The name and the route in the settings file. `None` for the target of the command line.
    name: Option<String>,
    route: Option<String>,
    served: Served,
}

enum Served {
    Live(Live),
    /// A component file, which is not built.
    File(Harness),
}

type Opened = (String, Option<Duration>, Option<Duration>, Vec<App>);

/// Opens the target of the command line or the components of the settings file. Returns the address, the time limits of
/// the server, and the components.
async fn open(args: Serve) -> Result<Opened, Error> {
    if let Some(target) = serve::target(&args) {
        let addr = args.addr.unwrap_or_else(|| serve::ADDR.to_owned());
        serve::check_addr(&addr)?;
        let target = Target { target, features: args.features };
        let mut recorders = Recorders::of([&args.guest.outbound]);
        let mut guest = args.guest;
        let environments = vec![Environment::take(&mut guest)?];
        let served = open_one(target, guest, environments, &args.serving, &mut recorders, args.log, None).await?;
        return match served {
            Served::Live(_) => {
                Ok((addr, args.client_timeout, args.drain_timeout, vec![App { name: None, route: None, served }]))
            }
            Served::File(_) => Err(Error::new("a component in a file cannot be built anew")
                .with_help("name the directory of the crate that it is built from, or use `wayside serve`")),
        };
    }
    serve::check_no_features(&args.features)?;
    let file = args.settings.as_deref().unwrap_or(Path::new(settings::FILE));
    let Settings { addr, log, client_timeout, drain_timeout, components } = settings::read(file)?;
    let addr = args.addr.or(addr).unwrap_or_else(|| serve::ADDR.to_owned());
    serve::check_addr(&addr)?;
    let log = args.log.or(log);
    let mut flags = args.guest;
    let of_flags = Environment::take(&mut flags)?;
    let components: Vec<_> =
        components.into_iter().map(|component| component.with_flags(&flags, &args.serving)).collect();
    let mut recorders = Recorders::of(components.iter().map(|component| &component.guest.outbound));
    let mut apps = Vec::new();
    for mut component in components {
        let environments = vec![Environment::take(&mut component.guest)?, of_flags.clone()];
        let (target, guest, name) = (component.target, component.guest, Some(component.name));
        let served =
            open_one(target, guest, environments, &component.serving, &mut recorders, log, name.clone()).await?;
        apps.push(App { name, route: Some(component.route), served });
    }
    Ok((addr, args.client_timeout.or(client_timeout), args.drain_timeout.or(drain_timeout), apps))
}

async fn open_one(
    target: Target,
    mut guest: Guest,
    environments: Vec<Environment>,
    serving: &Serving,
    recorders: &mut Recorders,
    log: Option<Format>,
    name: Option<String>,
) -> Result<Served, Error> {
    let is_crate = target.target.is_dir();
    let files: Vec<PathBuf> = environments.iter().flat_map(|environment| environment.files.clone()).collect();
    let read = move || Ok(environments.iter().map(Environment::read).collect::<Result<Vec<_>, Error>>()?.concat());
    if !is_crate {
        guest.env = read()?;
        let builder = guest::open_for_serving(target, guest, serving, recorders).await?;
        return Ok(Served::File(serve::observed(builder, log, name).await?));
    }
    // A mistake in a file is reported at the start, before anything is built.
    read()?;
    let builder = guest::open_for_serving(target, guest, serving, recorders).await?;
    let builder = serve::observed(builder, log, name).capture_bodies(BODY_BYTES);
    Ok(Served::Live(builder.live_env(files, read).live()?))
}

/// Serves the inspector of each component. Each takes the next port, unless the port is 0.
async fn inspect(apps: &[App], addr: &str) -> Result<Vec<Inspector>, Error> {
    let mut inspectors = Vec::new();
    for (index, App { name, served, .. }) in apps.iter().enumerate() {
        let addr = next_port(addr, index);
        let inspector = match served {
            Served::Live(live) => live.inspector(&addr).await?,
            Served::File(harness) => harness.inspector(&addr).await?,
        };
        let whose = name.as_ref().map_or_else(String::new, |name| format!(" of `{name}`"));
        report::note(&format!("requests{whose} are shown on {}", inspector.url()));
        inspectors.push(inspector);
    }
    Ok(inspectors)
}

/// Adds to the port of an address, unless the port is 0 or the sum is no port. Leaves an invalid address as it is.
fn next_port(addr: &str, added: usize) -> String {
    let Some((host, port)) = addr.rsplit_once(':') else { return addr.to_owned() };
    match (port.parse::<u16>(), u16::try_from(added)) {
        (Ok(port @ 1..), Ok(added)) => format!("{host}:{}", port.saturating_add(added)),
        _ => addr.to_owned(),
    }
}

/// Reports the builds of all components until a signal comes.
async fn follow(apps: &[App], stop: &mut Stop) {
    let (sender, mut told) = mpsc::unbounded_channel();
    for App { name, served, .. } in apps {
        let Served::Live(live) = served else { continue };
        let (mut builds, name, sender) = (live.builds(), name.clone(), sender.clone());
        tokio::spawn(async move {
            let mut build = Some(builds.newest());
            while let Some(newest) = build {
                // The receiver is gone once the command ends.
                let _ = sender.send((name.clone(), newest));
                build = builds.next().await;
            }
        });
    }
    drop(sender);
    loop {
        tokio::select! {
            Some((name, build)) = told.recv() => tell(name.as_deref(), &build),
            () = stop.told() => return,
        }
    }
}

/// Reports the progress of a build.
fn tell(name: Option<&str>, build: &Build) {
    let note = |text: &str| match name {
        Some(name) => report::note(&format!("{name}: {text}")),
        None => report::note(text),
    };
    match &build.outcome {
        Outcome::Running if build.number == 1 => note("building the crate; requests wait for it"),
        Outcome::Running => note(&format!("{} changed; building", files(&build.changed))),
        Outcome::Swapped { build: built, compile, .. } if build.number == 1 => {
            note(&format!("ready after {}; each change is built from here on", seconds(*built + *compile)));
        }
        Outcome::Swapped { build: built, compile, .. } => note(&format!(
            "the new component answers, after {} (cargo {}, compiling for this machine {})",
            seconds(*built + *compile),
            seconds(*built),
            seconds(*compile),
        )),
        Outcome::Unchanged => note("that made the same component"),
        Outcome::Failed(error) => {
            report::error(error);
            note("waiting for a change");
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

#[cfg(test)]
mod tests {
    use super::next_port;

    #[test]
    fn each_inspector_has_the_next_port_unless_the_system_chooses() {
        assert_eq!(next_port("127.0.0.1:3001", 0), "127.0.0.1:3001");
        assert_eq!(next_port("[::1]:3001", 2), "[::1]:3003");
        assert_eq!(next_port("127.0.0.1:0", 2), "127.0.0.1:0");
        assert_eq!(next_port("nonsense", 1), "nonsense");
    }
}
