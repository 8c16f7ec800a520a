//! The command `wayside serve`: serves components over HTTP.

use std::path::{Path, PathBuf};
use std::time::Duration;

use wayside_harness::{Error, HarnessBuilder, Routes, Server, ServerBuilder, show};

use crate::args::{Serve, Target};
use crate::exit_code::ExitCode;
use crate::log::{self, AccessLog, Format};
use crate::recorders::Recorders;
use crate::settings::{self, Component, Settings};
use crate::stop::Stop;
use crate::{guest, report};

/// The default address of a server.
pub(crate) const ADDR: &str = "127.0.0.1:3000";

pub(crate) async fn run(args: Serve) -> Result<ExitCode, Error> {
    let (server, components) = match target(&args) {
        Some(target) => serve_one(target, args).await?,
        None => serve_settings(args).await?,
    };
    // Listens for signals before it prints the address, so that a program that reads the address can already stop the
    // server.
    let mut stop = Stop::listen()?;
    report::lines(&format!("listening on {}{components}", server.url("/")));
    stop.told().await;
    stop.finish(server).await;
    Ok(ExitCode::Success)
}

/// Returns the target of the command line, or else the crate in the working directory. Returns `None` if a settings
/// file lists the components.
pub(crate) fn target(args: &Serve) -> Option<PathBuf> {
    let at_hand = args.settings.is_none() && !Path::new(settings::FILE).exists() && Path::new("Cargo.toml").exists();
    args.target.clone().or_else(|| at_hand.then(|| ".".into()))
}

/// Serves one component. The returned text is empty, because a single component is not listed at the start.
async fn serve_one(target: PathBuf, args: Serve) -> Result<(Server, String), Error> {
    let addr = args.addr.as_deref().unwrap_or(ADDR);
    check_addr(addr)?;
    let target = Target { target, features: args.features };
    let mut recorders = Recorders::of([&args.guest.outbound]);
    let builder = guest::open_for_serving(target, args.guest, &args.serving, &mut recorders).await?;
    let server = observed(builder, args.log, None).await?.serve(addr);
    Ok((timed(server, args.client_timeout, args.drain_timeout).await?, String::new()))
}

/// Sets those time limits of a server that are given.
pub(crate) fn timed(
    mut server: ServerBuilder<'_>,
    client: Option<Duration>,
    drain: Option<Duration>,
) -> ServerBuilder<'_> {
    if let Some(timeout) = client {
        server = server.client_timeout(timeout);
    }
    if let Some(timeout) = drain {
        server = server.drain_timeout(timeout);
    }
    server
}

/// Serves the components of a settings file. Returns a text with a line for each component, which is printed at the
/// start.
async fn serve_settings(args: Serve) -> Result<(Server, String), Error> {
    check_no_features(&args.features)?;
    let Settings { addr, log, client_timeout, drain_timeout, components } =
        settings::read(args.settings.as_deref().unwrap_or(Path::new(settings::FILE)))?;
    let addr = args.addr.or(addr).unwrap_or_else(|| ADDR.to_owned());
    check_addr(&addr)?;
    let log = args.log.or(log);
    let flags = guest::read_env_files(args.guest)?;
    let components = components.into_iter().map(|component| component.with_flags(&flags, &args.serving));
    let components: Vec<Component> = components.collect();
    let mut recorders = Recorders::of(components.iter().map(|component| &component.guest.outbound));
    let (mut routes, mut lines) = (Routes::new(), Vec::new());
    for component in components {
        let target = component.target.target.display();
        let line = format!("{}  {} ({target})", component.route, component.name);
        lines.push(format!("\n  {}", show::line(&line)));
        let (target, guest, serving) = (component.target, component.guest, &component.serving);
        let builder = guest::open_for_serving(target, guest, serving, &mut recorders).await?;
        routes = routes.add(&component.route, &observed(builder, log, Some(component.name)).await?)?;
    }
    if log.is_some() {
        let log = AccessLog::new(None);
        routes = routes.observe(move |event| log.observe(event));
    }
    let (client, drain) = (args.client_timeout.or(client_timeout), args.drain_timeout.or(drain_timeout));
    let server = timed(routes.serve(addr), client, drain).await?;
    lines.sort_unstable();
    Ok((server, lines.concat()))
}

/// Rejects features without a target that they could belong to.
pub(crate) fn check_no_features(features: &[String]) -> Result<(), Error> {
    if features.is_empty() {
        return Ok(());
    }
    Err(Error::new("--features is for a TARGET, and there is none")
        .with_help("name the crate, or write `features` below its component in the file of settings"))
}

/// Adds an access log to a component if requested. Otherwise passes on its output.
pub(crate) fn observed(builder: HarnessBuilder, format: Option<Format>, component: Option<String>) -> HarnessBuilder {
    match format {
        Some(format) => {
            log::set_format(format);
            let log = AccessLog::new(component);
            builder.observe(move |event| log.observe(event))
        }
        None => builder.pass_on_output(),
    }
}

/// Rejects an invalid address before anything is built.
pub(crate) fn check_addr(addr: &str) -> Result<(), Error> {
    let (host, port) = addr.rsplit_once(':').unwrap_or_default();
    // A host with colons is an IPv6 address, which must be in brackets.
    let is_host = !host.is_empty() && (!host.contains(':') || host.starts_with('[') && host.ends_with(']'));
    if is_host && port.parse::<u16>().is_ok() {
        return Ok(());
    }
    Err(Error::new(format!("`{addr}` is no address to listen on"))
        .with_help("write an address and a port, as `127.0.0.1:3000`; port 0 takes a free one"))
}

#[cfg(test)]
mod tests {
    use super::check_addr;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for good in ["127.0.0.1:0", "[::1]:3000", "localhost:80"] {
            assert!(check_addr(good).is_ok(), "{good}");
        }
        for bad in ["", "3000", ":3000", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:http", "::1:80", "[::1:80"] {
            assert!(check_addr(bad).is_err(), "{bad}");
        }
    }
}
