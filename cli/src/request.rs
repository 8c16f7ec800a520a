//! The command `wayside request`: sends one request to a component.

mod data;

use http::{Method, Response};
use http_body_util::BodyExt as _;
use wayside_harness::{Body, Error};

use crate::args::Request;
use crate::exit_code::ExitCode;
use crate::{guest, report};

pub(crate) async fn run(args: Request) -> Result<ExitCode, Error> {
    let method = args.method.unwrap_or(if args.data.is_some() { Method::POST } else { Method::GET });
    let (body, end) = data::open(args.data.as_deref())?;
    let mut request = http::Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = args.path;
    for (name, value) in args.headers {
        request.headers_mut().try_append(name, value).map_err(|_| {
            Error::new("a request cannot have so many fields").with_help("leave some of the `--header` options out")
        })?;
    }
    let mut builder = guest::open(args.target, args.guest).await?;
    if args.usage {
        builder = builder.count_fuel();
    }
    let app = builder.await?;
    let response = app.request(request).await;
    let code = print(response, args.include).await?;
    // Ends the upload, which could otherwise go on for as long as another process keeps the pipe open.
    end.now();
    app.idle().await;
    if args.usage {
        for usage in app.usage() {
            let fuel = usage.fuel.unwrap_or_default();
            let calls = usage.host_calls.unwrap_or_default();
            let memory = usage.memory_bytes / 1024;
            report::note(&format!("took {fuel} units of fuel, {calls} calls to the host, {memory} KiB of memory"));
        }
    }
    Ok(code)
}

async fn print(response: Response<Body>, include: bool) -> Result<ExitCode, Error> {
    let (parts, mut body) = response.into_parts();
    if include {
        report::text(&format!("{}\n", parts.status))?;
        report::fields(&parts.headers)?;
        report::text("\n")?;
    }
    let mut printed = report::Raw::to_stdout();
    let code = ExitCode::of_status(parts.status);
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => {
                if let Some(data) = frame.data_ref()
                    && !printed.print(data)?
                {
                    return Ok(code);
                }
                if let Some(trailers) = frame.trailers_ref().filter(|_| include) {
                    report::fields(trailers)?;
                }
            }
            Err(error) => {
                report::note(&format!("error: the response broke off: {error}"));
                return Ok(ExitCode::Incomplete);
            }
        }
    }
    printed.finish()?;
    Ok(code)
}
