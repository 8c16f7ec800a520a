//! Cassettes and rule files that the command writes or replaces: their permissions, and links to them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::command::{temporary, wayside};

/// Runs a request with a flag that writes to this file. The component makes one outbound call, which fails.
fn write_by(flag: &str, file: &Path) {
    let mut command = wayside();
    command.args(["request", "host-harness/tests/guests", "/call", "--env", "UPSTREAM=http://127.0.0.1:1"]);
    let output = command.arg(flag).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(fs::read_to_string(file).unwrap().contains("127.0.0.1"), "{}", file.display());
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_new_file_can_be_read_by_its_owner_alone() {
    let dir = temporary("cassette-new");
    for flag in ["--record", "--learn-outbound"] {
        let file = dir.join(flag.trim_matches('-'));
        write_by(flag, &file);
        assert_eq!(mode(&file), 0o600, "{flag}");
    }
}

#[test]
fn a_file_that_is_replaced_keeps_its_permissions() {
    let dir = temporary("cassette-mode");
    for flag in ["--record", "--learn-outbound"] {
        for kept in [0o640, 0o600, 0o664] {
            let file = dir.join(flag.trim_matches('-'));
            fs::write(&file, "").unwrap();
            fs::set_permissions(&file, Permissions::from_mode(kept)).unwrap();
            write_by(flag, &file);
            assert_eq!(mode(&file), kept, "{flag}");
        }
    }
}

#[test]
fn a_link_to_a_file_that_is_missing_stays_a_link() {
    let dir = temporary("cassette-link");
    for flag in ["--record", "--learn-outbound"] {
        let (link, target) = (dir.join(format!("link{flag}")), dir.join(format!("target{flag}")));
        symlink(target.file_name().unwrap(), &link).unwrap();
        write_by(flag, &link);
        assert!(link.is_symlink() && target.is_file(), "{flag}");
    }
}
