//! Finds the component among the artifacts of a build.

use std::fs::{self, File};
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use cargo_metadata::{CrateType, Message, PackageId};

use crate::Error;

/// Cargo's lock on a target directory, which cargo holds while it builds.
const LOCK: &str = ".cargo-lock";

/// Finds the component in cargo's messages.
pub(super) fn find(messages: impl BufRead, package: &PackageId) -> Option<PathBuf> {
    let mut found = None;
    // Keeps reading after the component is found. Otherwise the pipe would fill up, and cargo would block.
    for message in Message::parse_stream(messages).map_while(Result::ok) {
        if let Message::CompilerArtifact(artifact) = message
            && artifact.package_id == *package
            && artifact.target.crate_types.contains(&CrateType::CDyLib)
        {
            found = artifact.filenames.into_iter().find(|file| file.extension() == Some("wasm")).or(found);
        }
    }
    found.map(Into::into)
}

/// Copies the component to a file that cargo never writes to, and that each copy replaces atomically. Cargo's own file
/// may be missing or incomplete while another process builds the same crate.
pub(super) fn keep(wasm: &Path, package: &str) -> Result<PathBuf, Error> {
    let copy = || {
        let dir = wasm.parent().unwrap_or(Path::new("."));
        let kept = dir.join("wayside").join(package).join(wasm.file_name().unwrap_or_default());
        // If the lock fails, as on a file system without locks, reads the file anyway: it is most likely complete.
        let lock = File::open(dir.join(LOCK)).ok().filter(|lock| lock.lock_shared().is_ok());
        let bytes = fs::read(wasm)?;
        drop(lock);
        if fs::read(&kept).is_ok_and(|before| before == bytes) {
            return Ok(kept);
        }
        fs::create_dir_all(kept.parent().unwrap_or(dir))?;
        replace(&kept, &bytes)?;
        Ok(kept)
    };
    copy().map_err(|error: io::Error| {
        Error::new(format!("cannot copy the component `{}`", wasm.display()))
            .with_help("check that the directory of artifacts can be written to")
            .with_source(error)
    })
}

/// Writes to a temporary file and renames it, so that readers see either the old content or the new.
fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let unique = format!("{}-{}.new", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let beside = file.with_extension(unique);
    fs::write(&beside, bytes)?;
    fs::rename(&beside, file).inspect_err(|_| drop(fs::remove_file(&beside)))
}
