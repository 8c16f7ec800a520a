//! The error of the generator.

use std::path::{Path, PathBuf};
use std::{error, fmt, io};

/// A failure to generate, write or check bindings.
///
/// The error message names the file or the world. [`source`](error::Error::source) returns the error of the parser,
/// the generator or the operating system.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

#[derive(Debug)]
enum Kind {
    Wit(PathBuf),
    Generate(&'static str),
    Write(PathBuf),
    Stale(PathBuf),
}

impl Error {
    /// Whether a checked-in file is missing or differs from the generated text.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        matches!(self.kind, Kind::Stale(_))
    }

    /// Takes the source, to use it in another error.
    pub fn take_source(&mut self) -> Option<Box<dyn error::Error + Send + Sync>> {
        self.source.take()
    }

    pub(crate) fn wit(dir: &Path, source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        Self { kind: Kind::Wit(dir.to_owned()), source: Some(source.into()) }
    }

    pub(crate) fn generate(world: &'static str, source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        Self { kind: Kind::Generate(world), source: Some(source.into()) }
    }

    pub(crate) fn write(file: &Path, source: io::Error) -> Self {
        Self { kind: Kind::Write(file.to_owned()), source: Some(source.into()) }
    }

    pub(crate) fn stale(file: &Path) -> Self {
        Self { kind: Kind::Stale(file.to_owned()), source: None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Wit(dir) => write!(f, "cannot read the WIT in `{}`", dir.display()),
            Kind::Generate(world) => write!(f, "cannot generate bindings for the world `{world}`"),
            Kind::Write(file) => write!(f, "cannot write the generated file `{}`", file.display()),
            Kind::Stale(file) => {
                write!(f, "the generated file `{}` is stale", file.display())
            }
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
