//! Loads components and describes them: the kind of handler, the imports and the exports.

pub(crate) mod structure;

use std::path::{Path, PathBuf};
use std::{fmt, io};

use serde::Serialize;
use wasmtime::Engine;
use wasmtime::component::Component as Compiled;
use wasmtime::component::types::{ComponentExtern, ComponentItem};

use crate::engine::{Purpose, engine};
use crate::{Error, file};

/// A compiled component and its description.
#[derive(Clone)]
pub struct Component {
    pub(crate) compiled: Compiled,
    description: Description,
}

/// The description of a component.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Description {
    /// The file of the component.
    pub path: PathBuf,
    /// The size of the component file in bytes.
    pub size_bytes: u64,
    /// The kind of HTTP handler that it exports.
    pub world: World,
    /// The interfaces that the component imports.
    pub imports: Vec<Import>,
    /// The interfaces that the component exports.
    pub exports: Vec<String>,
}

/// The kind of HTTP handler that a component exports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum World {
    /// A handler of WASI 0.2: it exports `wasi:http/incoming-handler`.
    IncomingHandler {
        /// The version of the interface, as in `0.2.6`.
        version: String,
    },
    /// A handler of WASI 0.3: it exports `wasi:http/handler`.
    Handler {
        /// The version of the interface, as in `0.3.0`.
        version: String,
    },
    /// Middleware of WASI 0.3: it exports `wasi:http/handler`, and imports the function `handle` of that interface to
    /// call the next handler.
    ///
    /// A component that imports only types of that interface is a [`Handler`](Self::Handler).
    Middleware {
        /// The version of the interface that it exports, as in `0.3.0`.
        version: String,
    },
    /// Not an HTTP handler.
    Other,
}

/// An interface that a component imports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Import {
    /// The name of the interface, as in `wasi:http/types@0.2.6`.
    pub name: String,
    /// Whether this harness implements it.
    pub provided: bool,
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IncomingHandler { version } => write!(f, "wasi:http/incoming-handler@{version}"),
            Self::Handler { version } => write!(f, "wasi:http/handler@{version}"),
            Self::Middleware { version } => write!(f, "wasi:http/handler@{version}, as middleware"),
            Self::Other => f.write_str("no HTTP handler"),
        }
    }
}

impl World {
    /// Whether the component exports a handler of a version that this harness does not support.
    pub(crate) fn is_of_unknown_version(&self) -> bool {
        match self {
            Self::IncomingHandler { version } => !is_of(version, "0.2."),
            Self::Handler { version } | Self::Middleware { version } => !is_of(version, "0.3."),
            Self::Other => false,
        }
    }
}

impl Component {
    /// Reads and compiles a component from a file.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or is not a component. The error's help says what to do.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::load_for(path.as_ref(), Purpose::Serve)
    }

    pub(crate) fn load_for(path: &Path, purpose: Purpose) -> Result<Self, Error> {
        Self::compile(path, &read(path)?, purpose)
    }

    /// Compiles a component from the bytes of a file.
    pub(crate) fn compile(path: &Path, bytes: &[u8], purpose: Purpose) -> Result<Self, Error> {
        check_kind(path, bytes)?;
        if let Some(excess) = structure::excess(bytes) {
            return Err(Error::new(format!("the component `{}` {excess}", path.display())).with_help(
                "no tool is known that makes such a component; build it anew, from a source that you trust",
            ));
        }
        let compiled = Compiled::new(engine(purpose)?, bytes).map_err(|error| {
            Error::new(format!("the component `{}` is not valid", path.display()))
                .with_help("build it anew; a file that was cut or changed cannot be loaded")
                .with_source(Flat::of(&error))
        })?;
        let description = describe(path, bytes.len() as u64, &compiled);
        Ok(Self { compiled, description })
    }

    /// Returns the description of this component.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component").field("description", &self.description).finish_non_exhaustive()
    }
}

/// The largest size of a component file, in bytes.
const MAX_BYTES: u64 = 512 * 1024 * 1024;

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    file::read(path, MAX_BYTES).map_err(|error| {
        let help = match error.kind() {
            io::ErrorKind::NotFound => "check the path, or name the directory of the crate to build it first",
            io::ErrorKind::PermissionDenied => "make the file readable for this user",
            _ => "check that the path names a file",
        };
        Error::new(format!("cannot read the component `{}`", path.display())).with_help(help).with_source(error)
    })
}

/// Rejects a file that is not a component. The error names kinds of files that are often mistaken for components.
fn check_kind(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if wasmparser::Parser::is_component(bytes) {
        return Ok(());
    }
    let path = path.display();
    if wasmparser::Parser::is_core_wasm(bytes) {
        return Err(Error::new(format!("`{path}` is a core WebAssembly module, not a component"))
            .with_help("build it with `cargo build --target wasm32-wasip2`, which makes a component"));
    }
    let what = if bytes.is_empty() {
        "is empty"
    } else if bytes.starts_with(MAGIC) && bytes.len() < 8 {
        "is cut: no more than the first bytes of WebAssembly are there"
    } else if bytes.starts_with(MAGIC) {
        "is WebAssembly of a version that is not known"
    } else if is_text(bytes) {
        "is a text file, not a WebAssembly component"
    } else {
        "is not a WebAssembly component"
    };
    Err(Error::new(format!("`{path}` {what}"))
        .with_help("name a `.wasm` file that `cargo build --target wasm32-wasip2` made, or the directory of a crate"))
}

/// The first bytes of every WebAssembly file.
const MAGIC: &[u8] = b"\0asm";

fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(|char| char.is_control() && !char.is_whitespace()))
}

fn describe(path: &Path, size_bytes: u64, compiled: &Compiled) -> Description {
    let ty = compiled.component_type();
    let imports: Vec<Import> = ty
        .imports(compiled.engine())
        .map(|(name, item)| Import { name: name.to_owned(), provided: provides(name, &item.ty) })
        .collect();
    let exports: Vec<String> = ty.exports(compiled.engine()).map(|(name, _)| name.to_owned()).collect();
    let calls_next = ty.imports(compiled.engine()).any(|(name, item)| is_next(name, &item.ty, compiled.engine()));
    let world = exports.iter().find_map(|name| world_of(name, calls_next)).unwrap_or(World::Other);
    Description { path: path.to_owned(), size_bytes, world, imports, exports }
}

/// Whether an import contains the function `handle`, which middleware calls. Other components import only the types of
/// the same interface.
fn is_next(name: &str, item: &ComponentItem, engine: &Engine) -> bool {
    let ComponentItem::ComponentInstance(interface) = item else { return false };
    let is_handle =
        |(name, item): (&str, ComponentExtern)| name == "handle" && matches!(item.ty, ComponentItem::ComponentFunc(_));
    name.starts_with(HANDLER) && interface.exports(engine).any(is_handle)
}

fn world_of(export: &str, calls_next: bool) -> Option<World> {
    if let Some(version) = export.strip_prefix("wasi:http/incoming-handler@") {
        return Some(World::IncomingHandler { version: version.to_owned() });
    }
    let version = export.strip_prefix(HANDLER)?.to_owned();
    Some(if calls_next { World::Middleware { version } } else { World::Handler { version } })
}

/// The name, up to the version, of the interface that handlers of WASI 0.3 export. Middleware imports this interface as
/// well.
pub(crate) const HANDLER: &str = "wasi:http/handler@";

/// The packages of WASI that the harness implements completely. Only WASI 0.2 has the package `io`.
const PROVIDED: [&str; 7] = ["cli", "clocks", "filesystem", "http", "io", "random", "sockets"];

/// The interfaces of draft packages that the harness implements, each in exactly this version.
const PROVIDED_DRAFTS: [&str; 4] = [
    "wasi:config/store@0.2.0-rc.1",
    "wasi:keyvalue/atomics@0.2.0-draft",
    "wasi:keyvalue/batch@0.2.0-draft",
    "wasi:keyvalue/store@0.2.0-draft",
];

fn provides(import: &str, item: &ComponentItem) -> bool {
    if PROVIDED_DRAFTS.contains(&import) {
        return true;
    }
    let Some((package, version)) = import.strip_prefix("wasi:").and_then(|rest| rest.split_once('@')) else {
        // Of all other imports, only types are provided, because they need no implementation.
        return matches!(item, ComponentItem::Type(_));
    };
    let package = package.split('/').next().unwrap_or_default();
    PROVIDED.contains(&package) && (is_of(version, "0.2.") || is_of(version, "0.3."))
}

/// Whether a version is a release of the given line, such as `0.2.`.
///
/// Drafts, such as `0.3.0-rc-2025-09-16`, are not releases: hosts of 0.3.0 do not provide their interfaces.
fn is_of(version: &str, line: &str) -> bool {
    version.starts_with(line) && !version.contains('-')
}

/// A wasmtime error and its causes as one string, because no caller needs the types of the causes.
#[derive(Debug)]
pub(crate) struct Flat(String);

impl Flat {
    pub(crate) fn of(error: &wasmtime::Error) -> Self {
        Self(format!("{error:#}"))
    }
}

impl fmt::Display for Flat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Flat {}
