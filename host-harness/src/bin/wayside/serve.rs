//! `wayside serve`.

use wayside_harness::Error;

use crate::args::Serve;
use crate::exit_code::ExitCode;
use crate::log::AccessLog;
use crate::{guest, report};

pub(crate) async fn run(args: Serve) -> Result<ExitCode, Error> {
    check_addr(&args.addr)?;
    let builder = guest::open_for_serving(args.target, args.guest, &args.serving).await?;
    let builder = match args.log {
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

/// Refuses what is no address before anything is built.
pub(crate) fn check_addr(addr: &str) -> Result<(), Error> {
    let (host, port) = addr.rsplit_once(':').unwrap_or_default();
    // The colons of an IPv6 address stand in brackets.
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
