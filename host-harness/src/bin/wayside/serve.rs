//! `wayside serve`.

use wayside_harness::{Error, Harness, HarnessBuilder, KeyValue, Limits, Outbound};

use crate::args::{Guest, Serve, Store, Target};
use crate::exit_code::ExitCode;
use crate::log::AccessLog;
use crate::{env_file, report};

pub(crate) async fn run(args: Serve) -> Result<ExitCode, Error> {
    check_addr(&args.addr)?;
    let mut limits = limits(&args.guest);
    if let Some(requests) = args.max_concurrency {
        limits = limits.concurrency(requests as usize);
    }
    let mut builder = builder(args.target, args.guest).await?.limits(limits).reuse(args.reuse);
    if args.count_fuel {
        builder = builder.count_fuel();
    }
    builder = match args.log {
        Some(format) => {
            let log = AccessLog::new(format, None);
            builder.observe(move |event| log.observe(event))
        }
        None => builder.pass_on_output(),
    };
    let app = builder.await?;
    let server = app.serve(args.addr).await?;
    report::note(&format!("listening on {}", server.url("/")));
    tokio::signal::ctrl_c().await.map_err(|error| Error::new("cannot wait for Ctrl-C").with_source(error))?;
    tokio::select! {
        () = server.shutdown() => {}
        // A second one does not wait.
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(ExitCode::Success)
}

/// Opens the target as every sub-command that runs one does.
pub(crate) async fn open(target: Target, guest: Guest) -> Result<HarnessBuilder, Error> {
    let limits = limits(&guest);
    Ok(builder(target, guest).await?.limits(limits).pass_on_output())
}

async fn builder(target: Target, guest: Guest) -> Result<HarnessBuilder, Error> {
    let mut builder = Harness::open(target.target)
        .features(target.features)
        .outbound(Outbound::allow(guest.allow_outbound))
        .show_progress();
    for file in &guest.env_file {
        for (name, value) in env_file::read(file)? {
            builder = builder.env(name, value);
        }
    }
    for (name, value) in guest.env {
        builder = builder.env(name, value);
    }
    for target in guest.middleware {
        builder = builder.middleware(target);
    }
    for (name, value) in guest.config {
        builder = builder.config(name, value);
    }
    if let Store::Redis(url) = guest.keyvalue {
        builder = builder.keyvalue(KeyValue::redis(&url).await?);
    }
    Ok(builder)
}

fn limits(guest: &Guest) -> Limits {
    let mut limits = Limits::default();
    if let Some(timeout) = guest.timeout {
        limits = limits.timeout(timeout);
    }
    if let Some(bytes) = guest.max_memory {
        limits = limits.memory_bytes(bytes);
    }
    if let Some(bytes) = guest.max_body {
        limits = limits.body_bytes(bytes);
    }
    limits
}

/// Refuses what is no address before anything is built.
fn check_addr(addr: &str) -> Result<(), Error> {
    let port = addr.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then(|| port.parse::<u16>().ok())?);
    if port.is_some() {
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
        for bad in ["", "3000", ":3000", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:http"] {
            assert!(check_addr(bad).is_err(), "{bad}");
        }
    }
}
