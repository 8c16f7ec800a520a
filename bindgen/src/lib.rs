//! Generates the Rust bindings of the `wayside` crate from WIT.
//!
//! The bindings are checked in, so that whoever uses the SDK builds neither a WIT parser nor a code generator. This
//! crate writes them and tells whether they are stale; the command `wayside bindgen` and the SDK's freshness test are
//! its callers.

mod error;

use std::fs;
use std::path::{Path, PathBuf};

use wit_bindgen_core::{Files, WorldGenerator as _};
use wit_parser::Resolve;

pub use error::Error;

/// One world of the SDK: where its WIT lies, and where its bindings go.
#[derive(Clone, Copy, Debug)]
pub struct World {
    /// The name of the world in its WIT, which is also the name of its folder and of its bindings module.
    pub name: &'static str,
    /// Module path of the bindings as seen from a crate that uses the SDK's export macro.
    bindings_module: &'static str,
    /// Name of the export macro, unique in the SDK because exported macros share one namespace.
    export_macro: &'static str,
}

/// Every world that the SDK has bindings for.
pub const WORLDS: &[World] =
    &[World { name: "wasip2", bindings_module: "::wayside::__private::bindings", export_macro: "__export_wasip2" }];

/// What [`World::update`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// The file already held these bindings.
    Fresh,
    /// The file was written.
    Written,
}

impl World {
    /// Where the WIT of this world lies in a checkout rooted at `root`.
    #[must_use]
    pub fn wit_dir(&self, root: &Path) -> PathBuf {
        root.join("wit").join(self.name)
    }

    /// Where the bindings of this world lie in a checkout rooted at `root`.
    #[must_use]
    pub fn bindings_file(&self, root: &Path) -> PathBuf {
        root.join("sdk/src/bindings").join(format!("{}.rs", self.name))
    }

    /// Generates the bindings of this world as Rust source text.
    ///
    /// # Errors
    ///
    /// Fails if the WIT below `root` cannot be read, does not parse, or lacks this world.
    pub fn generate(&self, root: &Path) -> Result<String, Error> {
        let wit_dir = self.wit_dir(root);
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(&wit_dir).map_err(|source| Error::wit(&wit_dir, source))?;
        let world = resolve.select_world(&[package], Some(self.name)).map_err(|source| Error::wit(&wit_dir, source))?;
        let mut files = Files::default();
        self.options()
            .build()
            .generate(&mut resolve, world, &mut files)
            .map_err(|source| Error::generate(self.name, source))?;
        let generated = files.iter().map(|(_, contents)| contents).next().unwrap_or_default();
        Ok(format!("{}{}", self.header(), String::from_utf8_lossy(generated)))
    }

    /// Writes the bindings of this world where they are missing or stale.
    ///
    /// # Errors
    ///
    /// Fails like [`World::generate`], and if the file cannot be written.
    pub fn update(&self, root: &Path) -> Result<Update, Error> {
        let file = self.bindings_file(root);
        let wanted = self.generate(root)?;
        if is_current(&file, &wanted) {
            return Ok(Update::Fresh);
        }
        fs::write(&file, wanted).map_err(|source| Error::write(&file, source))?;
        Ok(Update::Written)
    }

    /// Checks that the bindings of this world are those that [`World::generate`] yields.
    ///
    /// # Errors
    ///
    /// Fails like [`World::generate`], and with an error that names the fixing command if the file is missing or stale.
    pub fn check(&self, root: &Path) -> Result<(), Error> {
        let file = self.bindings_file(root);
        if is_current(&file, &self.generate(root)?) {
            return Ok(());
        }
        Err(Error::stale(&file))
    }

    fn options(&self) -> wit_bindgen_rust::Opts {
        wit_bindgen_rust::Opts {
            format: true,
            generate_all: true,
            pub_export_macro: true,
            export_macro_name: Some(self.export_macro.to_owned()),
            default_bindings_module: Some(self.bindings_module.to_owned()),
            ..Default::default()
        }
    }

    fn header(&self) -> String {
        format!(
            "// Made by `wayside bindgen` from `wit/{name}`; edit the WIT, not this file.\n\
             // Options: generate_all, pub_export_macro, export_macro_name = {macro_name}, \
             default_bindings_module = {module}.\n",
            name = self.name,
            macro_name = self.export_macro,
            module = self.bindings_module,
        )
    }
}

fn is_current(file: &Path, wanted: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|found| found == wanted)
}
