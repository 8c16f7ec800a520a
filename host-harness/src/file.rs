//! Files that people name: read up to a size, and replaced whole or not at all.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

const MIB: u64 = 1024 * 1024;

/// Reads a file of at most so many bytes: those that never end, as of devices, are not read for ever.
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

/// Writes a file whole or not at all: beside it first, then in its place. A link stays and what it leads to is replaced;
/// what is no file, as a device, is left alone.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = match fs::canonicalize(path) {
        Ok(found) if !found.is_file() => {
            let kind = if found.is_dir() { io::ErrorKind::IsADirectory } else { io::ErrorKind::InvalidInput };
            return Err(io::Error::new(kind, "it exists, and is no file that can be replaced"));
        }
        Ok(found) => found,
        // It is made.
        Err(_) => path.to_owned(),
    };
    // A name of its own for each: several may write at the same time.
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}-{}.new", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    fs::write(&beside, text)?;
    fs::rename(&beside, path).inspect_err(|_| drop(fs::remove_file(&beside)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

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
        std::os::unix::fs::symlink("file", &link).unwrap();
        replace(&link, "new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(replace(&socket, "text").unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(!socket.is_file() && socket.exists());
        assert_eq!(replace(&dir, "text").unwrap_err().kind(), io::ErrorKind::IsADirectory);
        fs::remove_dir_all(dir).unwrap();
    }
}
