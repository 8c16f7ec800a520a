//! Chains middleware in the host: each component calls the next one through the host, in the same process.

use std::sync::Arc;

use crate::Error;
use crate::component::{Component, World};
use crate::guest::{Guest, Settings};
use crate::telemetry::Recorder;

/// Links an application and its middleware into one [`Guest`]. The list of middleware starts with the outermost.
pub(crate) fn link(
    app: &Component,
    middleware: &[Component],
    settings: Settings,
    recorder: &Recorder,
) -> Result<Guest, Error> {
    let settings = Arc::new(settings);
    let mut guest = Guest::new(app, Arc::clone(&settings), recorder.clone())?;
    for component in middleware.iter().rev() {
        check(component)?;
        guest = Guest::before(component, guest, Arc::clone(&settings), recorder.clone())?;
    }
    Ok(guest)
}

/// Returns an error with the reason if a component cannot serve as middleware, which must call a next handler.
pub(crate) fn check(component: &Component) -> Result<(), Error> {
    let path = component.description().path.display();
    let error = match &component.description().world {
        World::Middleware { .. } => return Ok(()),
        World::Handler { .. } => Error::new(format!("`{path}` is no middleware: it answers all requests itself"))
            .with_help("name it as the target, or let it import `wasi:http/handler@0.3` and call it"),
        World::IncomingHandler { version } => Error::new(format!(
            "`{path}` is no middleware: it is a handler of WASI {version}, which cannot call another"
        ))
        .with_help("build the middleware for WASI 0.3; the application behind it can be of 0.2 or of 0.3"),
        World::Other => Error::new(format!("`{path}` is no middleware: it has no HTTP handler")).with_help(
            "put `#[http_middleware]` on a function, so that it imports and exports `wasi:http/handler@0.3`",
        ),
    };
    Err(error)
}
