//! `wayside serve`.

use wayside_harness::{Error, Harness, HarnessBuilder, Outbound};

use crate::args::{Guest, Serve, Target};
use crate::exit_code::ExitCode;
use crate::report;

pub(crate) async fn run(args: Serve) -> Result<ExitCode, Error> {
    check_addr(&args.addr)?;
    let app = open(args.target, args.guest).await?;
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
pub(crate) fn open(target: Target, guest: Guest) -> HarnessBuilder {
    let mut builder = Harness::open(target.target)
        .features(target.features)
        .outbound(Outbound::allow(guest.allow_outbound))
        .pass_on_output()
        .show_progress();
    for (name, value) in guest.env {
        builder = builder.env(name, value);
    }
    builder
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
