//! Copies of WIT files in the directories of published packages: a package can contain only files below its own
//! directory.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Error, Update, is_current};

/// A WIT file and its copy in a package.
#[derive(Clone, Copy, Debug)]
pub struct WitCopy {
    /// The path of the original file, relative to `wit/`.
    source: &'static str,
    /// The path of the copy, relative to the root of the checkout.
    copy: &'static str,
}

/// All WIT files that have a copy in a package.
pub const WIT_COPIES: &[WitCopy] = &[
    WitCopy { source: "host/world.wit", copy: "host-harness/wit/world.wit" },
    WitCopy { source: "host/deps/config.wit", copy: "host-harness/wit/deps/config.wit" },
    WitCopy { source: "host/deps/keyvalue.wit", copy: "host-harness/wit/deps/keyvalue.wit" },
];

impl WitCopy {
    /// Returns the path of the copy in a checkout rooted at `root`.
    #[must_use]
    pub fn file(&self, root: &Path) -> PathBuf {
        root.join(self.copy)
    }

    /// Writes the copy if it is missing or stale.
    ///
    /// # Errors
    ///
    /// Fails if the source cannot be read or the copy cannot be written.
    pub fn update(&self, root: &Path) -> Result<Update, Error> {
        let (file, wanted) = (self.file(root), self.read(root)?);
        if is_current(&file, &wanted) {
            return Ok(Update::Fresh);
        }
        let dir = file.parent().unwrap_or(root);
        fs::create_dir_all(dir)
            .and_then(|()| fs::write(&file, wanted))
            .map_err(|source| Error::write(&file, source))?;
        Ok(Update::Written)
    }

    /// Checks that the copy is up to date.
    ///
    /// # Errors
    ///
    /// Fails if the source cannot be read, and with [`Error::is_stale`] if the copy is missing or stale.
    pub fn check(&self, root: &Path) -> Result<(), Error> {
        let file = self.file(root);
        if is_current(&file, &self.read(root)?) { Ok(()) } else { Err(Error::stale(&file)) }
    }

    fn read(&self, root: &Path) -> Result<String, Error> {
        let source = root.join("wit").join(self.source);
        fs::read_to_string(&source).map_err(|error| Error::wit(&source, error))
    }
}
