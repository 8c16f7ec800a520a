//! Reads user-supplied files up to a size limit, and replaces files atomically.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

const MIB: u64 = 1024 * 1024;

/// Reads a file of at most `most_bytes`. A longer file is an error, and so is an endless one, such as a device.
pub(crate) fn read(path: &Path, most_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most_bytes {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is larger than {} MiB, which no such file is", most_bytes / MIB),
        ));
    }
    Ok(bytes)
}

/// Writes a file atomically: to a temporary file first, which then replaces it.
///
/// The file keeps its permissions, and its owner and group if the system allows it. A new file is readable and writable
/// by its owner alone, because it may contain secrets. A symbolic link is kept, and its target is replaced or created.
/// If the path names anything but a regular file, such as a device, it is left alone and the call fails.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = behind_links(path)?;
    let replaced = match fs::metadata(&path) {
        Ok(found) if found.is_file() => Some(found),
        Ok(found) => {
            let kind = if found.is_dir() { io::ErrorKind::IsADirectory } else { io::ErrorKind::InvalidInput };
            return Err(io::Error::new(kind, "it exists and is not a file that can be replaced"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let (beside, mut file) = create_beside(&path)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| replaced.map_or(Ok(()), |replaced| access::copy(&replaced, &file)))
        .and_then(|()| fs::rename(&beside, &path));
    // If removing the temporary file fails too, only the first error is returned: it names the cause.
    written.inspect_err(|_| drop(fs::remove_file(&beside)))
}

/// Follows symbolic links to their target, which need not exist.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let missing = match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => error,
        found => return found,
    };
    let mut path = path.to_owned();
    // Linux follows at most 40 links as well.
    for _ in 0..40 {
        let Ok(target) = fs::read_link(&path) else { return Ok(path) };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    Err(missing)
}

/// Creates an empty file with a new name in the directory of another file.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut options = File::options();
    options.write(true).create_new(true);
    access::owner_only(&mut options);
    loop {
        // Several threads may write at the same time, and an earlier process with the same ID may have left a file.
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let beside = path.with_file_name(format!(".wayside-{}-{number}.new", std::process::id()));
        match options.open(&beside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return opened.map(|file| (beside, file)),
        }
    }
}

/// The owner, the group and the permissions of a file.
#[cfg(unix)]
mod access {
    use std::fs::{File, Metadata, OpenOptions, Permissions};
    use std::io;
    use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};

    pub(super) fn owner_only(options: &mut OpenOptions) {
        options.mode(0o600);
    }

    /// Copies owner, group and permissions from another file.
    pub(super) fn copy(from: &Metadata, to: &File) -> io::Result<()> {
        let made = to.metadata()?;
        let has_owner = made.uid() == from.uid() || fchown(to, Some(from.uid()), None).is_ok();
        let has_group = made.gid() == from.gid() || fchown(to, None, Some(from.gid())).is_ok();
        to.set_permissions(Permissions::from_mode(mode(from.mode() & 0o7777, has_owner, has_group)))
    }

    /// Reduces the permissions if the owner or the group could not be copied. A different group gets only the
    /// permissions of everybody, and no setgid bit. With a different owner, the file has no setuid bit.
    pub(super) fn mode(mode: u32, has_owner: bool, has_group: bool) -> u32 {
        let mode = if has_group { mode } else { (mode & !0o2070) | (mode & (mode << 3) & 0o070) };
        if has_owner { mode } else { mode & !0o4000 }
    }
}

#[cfg(not(unix))]
mod access {
    use std::fs::{File, Metadata, OpenOptions};
    use std::io;

    pub(super) fn owner_only(_: &mut OpenOptions) {}

    pub(super) fn copy(from: &Metadata, to: &File) -> io::Result<()> {
        to.set_permissions(from.permissions())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(unix)]
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn dir(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("wayside-file-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn a_file_over_the_limit_is_not_read() {
        let dir = dir("limit");
        let path = dir.join("file");
        fs::write(&path, [0; 10]).unwrap();
        assert_eq!(read(&path, 10).unwrap().len(), 10);
        assert_eq!(read(&path, 9).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        fs::remove_dir_all(dir).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_what_is_no_file_is_left_alone() {
        let dir = dir("replace");
        let (file, link, socket) = (dir.join("file"), dir.join("link"), dir.join("socket"));
        replace(&file, "old").unwrap();
        symlink("file", &link).unwrap();
        replace(&link, "new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(replace(&socket, "text").unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(!socket.is_file() && socket.exists());
        assert_eq!(replace(&dir, "text").unwrap_err().kind(), io::ErrorKind::IsADirectory);
        fs::remove_dir_all(dir).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_file_that_is_missing_stays_and_the_file_is_made() {
        let dir = dir("dangling");
        fs::create_dir(dir.join("below")).unwrap();
        symlink("second", dir.join("first")).unwrap();
        symlink("below/file", dir.join("second")).unwrap();
        replace(&dir.join("first"), "text").unwrap();
        assert!(dir.join("first").is_symlink() && dir.join("second").is_symlink());
        assert_eq!(fs::read_to_string(dir.join("below/file")).unwrap(), "text");
        symlink("loop", dir.join("loop")).unwrap();
        assert!(replace(&dir.join("loop"), "text").is_err() && dir.join("loop").is_symlink());
        fs::remove_dir_all(dir).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_file_keeps_its_permissions_and_a_new_one_is_for_its_owner_alone() {
        let dir = dir("mode");
        let file = dir.join("file");
        let mode = || fs::metadata(&file).unwrap().permissions().mode() & 0o7777;
        replace(&file, "new").unwrap();
        assert_eq!(mode(), 0o600);
        for kept in [0o644, 0o640, 0o666, 0o400] {
            fs::set_permissions(&file, fs::Permissions::from_mode(kept)).unwrap();
            replace(&file, "text").unwrap();
            assert_eq!(mode(), kept);
        }
        fs::remove_dir_all(dir).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_file_keeps_its_owner_where_that_can_be_set() {
        use std::os::unix::fs::{MetadataExt as _, chown};
        let dir = dir("owner");
        let file = dir.join("file");
        replace(&file, "old").unwrap();
        // Only root may give a file away; other users keep their own files.
        let given = chown(&file, Some(1234), Some(4321)).is_ok();
        let owner = || fs::metadata(&file).map(|found| (found.uid(), found.gid())).unwrap();
        let before = owner();
        replace(&file, "new").unwrap();
        assert_eq!(owner(), before);
        assert!(!given || before == (1234, 4321));
        fs::remove_dir_all(dir).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_group_that_could_not_be_kept_gives_its_rights_to_no_other() {
        assert_eq!(access::mode(0o640, true, false), 0o600);
        assert_eq!(access::mode(0o664, true, false), 0o644);
        assert_eq!(access::mode(0o666, true, false), 0o666);
        assert_eq!(access::mode(0o640, true, true), 0o640);
        assert_eq!(access::mode(0o6755, false, false), 0o755);
    }

    #[test]
    fn a_name_as_long_as_they_may_be_can_be_replaced() {
        let dir = dir("long");
        let file = dir.join("x".repeat(255));
        replace(&file, "text").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "text");
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        fs::remove_dir_all(dir).unwrap();
    }
}
