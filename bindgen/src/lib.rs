//! Generates the Rust bindings of the `wayside` crate from WIT.
//!
//! The bindings are checked in, so that users of the SDK build neither a WIT parser nor a code generator. This crate
//! writes them and detects stale ones, for the command `wayside bindgen` and for a test that fails if the checked-in
//! bindings are stale.

mod error;
mod wit_copy;

use std::fs;
use std::path::{Path, PathBuf};

use wit_bindgen_core::{Files, WorldGenerator as _};
use wit_component::StringEncoding;
use wit_parser::{Resolve, WorldId};

pub use error::Error;
pub use wit_copy::{WIT_COPIES, WitCopy};

/// A world of the SDK: where its WIT and its bindings are, and how to generate the bindings.
#[derive(Clone, Copy, Debug)]
pub struct World {
    /// The name of two folders: `wit/<name>` contains the WIT, and `sdk/src/sys/<name>` the bindings.
    pub name: &'static str,
    /// The name of the world in the WIT files.
    world: &'static str,
    /// Further worlds that some components implement, each with the name of a macro that declares it. No bindings are
    /// generated for these worlds: a component that used the export macro of such bindings would import every
    /// interface of the world, even those that it never calls.
    declared: &'static [(&'static str, &'static str)],
    /// The module path of the bindings, as seen from a crate that uses the SDK's export macro.
    bindings_module: &'static str,
    /// The name of the export macro, unique in the SDK because exported macros share one namespace.
    export_macro: &'static str,
}

/// Every world that the SDK has bindings for.
pub const WORLDS: &[World] = &[
    World {
        name: "wasip2",
        world: "wasip2",
        declared: &[],
        bindings_module: "::wayside::__private::bindings",
        export_macro: "__export_wasip2",
    },
    World {
        name: "wasip3",
        world: "service",
        declared: &[("middleware", "__declare_wasip3_middleware")],
        bindings_module: "::wayside::__private::bindings",
        export_macro: "__export_wasip3",
    },
];

/// The result of [`World::update`] and [`WitCopy::update`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// The file was up to date.
    Fresh,
    /// The file was written.
    Written,
}

impl World {
    /// Returns the directory of this world's WIT in a checkout rooted at `root`.
    #[must_use]
    pub fn wit_dir(&self, root: &Path) -> PathBuf {
        root.join("wit").join(self.name)
    }

    /// Returns the file of this world's bindings in a checkout rooted at `root`.
    #[must_use]
    pub fn bindings_file(&self, root: &Path) -> PathBuf {
        root.join("sdk/src/sys").join(self.name).join("bindings.rs")
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
        let select = |resolve: &Resolve, name| {
            resolve.select_world(&[package], Some(name)).map_err(|source| Error::wit(&wit_dir, source))
        };
        let declared = self
            .declared
            .iter()
            .map(|(name, macro_name)| declaration(&resolve, select(&resolve, name)?, name, macro_name));
        let declared: String = declared.collect::<Result<_, _>>()?;
        let world = select(&resolve, self.world)?;
        let mut files = Files::default();
        self.options()
            .build()
            .generate(&mut resolve, world, &mut files)
            .map_err(|source| Error::generate(self.name, source))?;
        let generated = files.iter().map(|(_, contents)| contents).next().unwrap_or_default();
        Ok(format!("{}{}{declared}", self.header(), String::from_utf8_lossy(generated)))
    }

    /// Writes the bindings of this world if they are missing or stale.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`World::generate`], and an error if the file cannot be written.
    pub fn update(&self, root: &Path) -> Result<Update, Error> {
        let file = self.bindings_file(root);
        let wanted = self.generate(root)?;
        if is_current(&file, &wanted) {
            return Ok(Update::Fresh);
        }
        fs::write(&file, wanted).map_err(|source| Error::write(&file, source))?;
        Ok(Update::Written)
    }

    /// Checks that the bindings of this world are up to date.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`World::generate`], and an error with [`Error::is_stale`] if the file is missing or stale.
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

/// Returns the source text of a macro with which a component declares that it implements a world.
fn declaration(resolve: &Resolve, world: WorldId, name: &'static str, macro_name: &str) -> Result<String, Error> {
    let encoded = wit_component::metadata::encode(resolve, world, StringEncoding::UTF8, None, false)
        .map_err(|source| Error::generate(name, source))?;
    let lines = encoded.chunks(60).map(|bytes| {
        let line = bytes.escape_ascii().to_string();
        // Each line ends with a backslash, which removes spaces at the start of the next line. So such a space is
        // escaped.
        if line.starts_with(' ') { line.replacen(' ', "\\x20", 1) } else { line }
    });
    let lines: Vec<String> = lines.collect();
    Ok(format!(
        "/// Declares that a component implements the world `{name}`.\n\
         #[doc(hidden)]\n\
         #[macro_export]\n\
         macro_rules! {macro_name} {{\n\
         \x20   () => {{\n\
         \x20       const _: () = {{\n\
         \x20           #[unsafe(link_section = \"component-type:wayside:guest:{name}\")]\n\
         \x20           #[doc(hidden)]\n\
         \x20           pub static __COMPONENT_TYPE: [u8; {length}] = *b\"\\\n{bytes}\";\n\
         \x20       }};\n\
         \x20   }};\n\
         }}\n\
         #[doc(inline)]\n\
         pub use {macro_name};\n",
        length = encoded.len(),
        bytes = lines.join("\\\n"),
    ))
}

fn is_current(file: &Path, wanted: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|found| found == wanted)
}
