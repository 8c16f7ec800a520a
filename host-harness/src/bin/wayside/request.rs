//! `wayside request`.

use std::io;

use bytes::Bytes;
use http::{Method, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use wayside_harness::{Body, Error};

use crate::args::Request;
use crate::exit_code::ExitCode;
use crate::{guest, report};

/// How much of a file is read at once.
const READ_BYTES: usize = 64 * 1024;

pub(crate) async fn run(args: Request) -> Result<ExitCode, Error> {
    let method = args.method.unwrap_or(if args.data.is_some() { Method::POST } else { Method::GET });
    let body = match &args.data {
        Some(data) => body(data).await?,
        None => Body::empty(),
    };
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

/// Makes the body of a request from what `--data` says; files are streamed.
async fn body(data: &str) -> Result<Body, Error> {
    match data.strip_prefix('@') {
        None => Ok(data.to_owned().into()),
        Some("-") => Ok(stream(tokio::io::stdin())),
        Some(path) => {
            let failed = |error| {
                Error::new(format!("cannot read the data file `{path}`"))
                    .with_help("check the path; `-d` without `@` takes text")
                    .with_source(error)
            };
            let file = File::open(path).await.map_err(failed)?;
            let is_dir = file.metadata().await.map_err(failed)?.is_dir();
            if is_dir {
                return Err(failed(io::Error::from(io::ErrorKind::IsADirectory)));
            }
            Ok(stream(file))
        }
    }
}

fn stream(reader: impl AsyncRead + Send + Unpin + 'static) -> Body {
    let chunks = futures_util::stream::try_unfold(reader, |mut reader| async move {
        let mut chunk = Vec::with_capacity(READ_BYTES);
        reader.read_buf(&mut chunk).await?;
        Ok::<_, io::Error>((!chunk.is_empty()).then(|| (Frame::data(Bytes::from(chunk)), reader)))
    });
    Body::new(StreamBody::new(chunks))
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
