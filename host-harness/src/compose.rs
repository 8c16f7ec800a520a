//! Composes middleware and an application into one component.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions, NodeId, PackageId};

use crate::Error;
use crate::chain;
use crate::component::{Component, Description, HANDLER, World};

/// Composes an application and its middleware into one component, which runs on any host of WASI 0.3. The list of
/// middleware starts with the outermost.
///
/// Limit: with plain generated bindings, an application can return the trailers future of a request as the trailers
/// future of its response. Such an application traps behind middleware that writes request bodies, because the
/// component model does not let a component read a future that it wrote itself. If the host chains the components
/// instead, it stands between them, and such an application works.
///
/// # Errors
///
/// Fails if a file cannot be read or is not a component, if a middleware component imports no handler, or if the
/// application is a component of WASI 0.2: middleware passes on requests of 0.3.
/// [`HarnessBuilder::middleware`](crate::HarnessBuilder::middleware) accepts applications of both versions.
pub fn compose(app: &Path, middleware: &[PathBuf]) -> Result<Vec<u8>, Error> {
    let app = Component::load(app)?;
    check_application(app.description(), middleware)?;
    let mut composition = Composition::default();
    let mut handler = composition.add(app.description(), None)?;
    for path in middleware.iter().rev() {
        let component = Component::load(path)?;
        chain::check(&component)?;
        handler = composition.add(component.description(), Some(handler))?;
    }
    composition.finish(handler, app.description())
}

fn check_application(description: &Description, middleware: &[PathBuf]) -> Result<(), Error> {
    let app = description.path.display();
    Err(match &description.world {
        World::Handler { .. } => return Ok(()),
        World::IncomingHandler { version } => {
            let middleware: String =
                middleware.iter().map(|path| format!(" --middleware {}", path.display())).collect();
            Error::new(format!(
                "`{app}` cannot be composed: it is of WASI {version}, and middleware calls a handler of 0.3"
            ))
            .with_help(format!("chain them in the host, which takes both: `wayside serve {app}{middleware}`"))
        }
        World::Middleware { .. } => Error::new(format!("`{app}` is middleware: it needs a handler to call"))
            .with_help("name an application as the target, and this with `--middleware`"),
        World::Other => Error::new(format!("`{app}` is no HTTP handler"))
            .with_help("name a component that exports `wasi:http/handler@0.3`"),
    })
}

#[derive(Default)]
struct Composition {
    graph: CompositionGraph,
    /// The packages by path. A component that the chain uses several times is stored in the result only once.
    packages: HashMap<PathBuf, PackageId>,
}

impl Composition {
    /// Adds an instance of a component. If it imports a handler, connects this import to `calls`. Returns the handler
    /// that the instance exports.
    fn add(&mut self, component: &Description, calls: Option<NodeId>) -> Result<NodeId, Error> {
        let path = &component.path;
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(format!("`{}` cannot be composed with what it calls", path.display()))
                .with_help("chain them in the host, with `wayside serve` and `--middleware`")
                .with_source(error)
        };
        let package = self.package(path)?;
        let instance = self.graph.instantiate(package);
        if let Some(handler) = calls {
            let import = handler_among(component.imports.iter().map(|import| &import.name));
            self.graph.set_instantiation_argument(instance, import, handler).map_err(|error| failed(error.into()))?;
        }
        let export = handler_among(&component.exports);
        self.graph.alias_instance_export(instance, export).map_err(|error| failed(error.into()))
    }

    fn package(&mut self, path: &Path) -> Result<PackageId, Error> {
        if let Some(package) = self.packages.get(path) {
            return Ok(*package);
        }
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(format!("the component `{}` cannot be taken into another", path.display()))
                .with_help("build it anew, with tools of this year")
                .with_source(error)
        };
        let bytes = fs::read(path).map_err(|error| failed(error.into()))?;
        let name = format!("wayside:chain{}", self.packages.len());
        let package =
            Package::from_bytes(&name, None, bytes, self.graph.types_mut()).map_err(|error| failed(error.into()))?;
        let package = self.graph.register_package(package).map_err(|error| failed(error.into()))?;
        self.packages.insert(path.to_owned(), package);
        Ok(package)
    }

    /// Exports a handler under the same interface name as the application does, and encodes the composed component.
    fn finish(mut self, handler: NodeId, app: &Description) -> Result<Vec<u8>, Error> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::new("the components do not fit together")
                .with_help("chain them in the host, with `wayside serve` and `--middleware`")
                .with_source(error)
        };
        self.graph.export(handler, handler_among(&app.exports)).map_err(|error| failed(error.into()))?;
        self.graph.encode(EncodeOptions::default()).map_err(|error| failed(error.into()))
    }
}

/// Finds the full name of the handler in the names of imports or exports.
fn handler_among<'a>(names: impl IntoIterator<Item = &'a String>) -> &'a str {
    names.into_iter().find(|name| name.starts_with(HANDLER)).map_or(HANDLER, String::as_str)
}
