//! Which changed files start a build, also after their directories have been replaced.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use wayside_harness::{Build, Builds, Live, Outcome};

use super::{Crate, ask};

/// A served crate after its first build.
struct Work {
    files: Crate,
    live: Live,
    builds: Builds,
    number: u64,
}

impl Work {
    async fn start(files: Crate) -> Self {
        let live = files.live();
        let builds = live.builds();
        let mut work = Self { files, live, builds, number: 0 };
        work.next().await;
        work
    }

    /// Waits until the next build has ended, and returns it.
    async fn next(&mut self) -> Build {
        self.number += 1;
        let ended = super::ended(&mut self.builds, self.number);
        let build = tokio::time::timeout(Duration::from_secs(300), ended).await.expect("nothing was built");
        assert_eq!(build.number, self.number, "something else was built: {build:?}");
        build
    }

    /// Returns the response after the next build, which must succeed.
    async fn answer(&mut self) -> String {
        let build = self.next().await;
        assert!(matches!(build.outcome, Outcome::Swapped { .. }), "{build:?}");
        ask(&self.live, "*/*").await.1
    }

    /// Waits until the component responds with this text. This may take several builds, because a change may be noticed
    /// in several steps.
    async fn settles(&mut self, text: &str) {
        for _ in 0..10 {
            self.number = self.builds.newest().number;
            let ended = super::ended(&mut self.builds, self.number);
            tokio::time::timeout(Duration::from_secs(300), ended).await.expect("a build hangs");
            if ask(&self.live, "*/*").await.1 == text {
                self.number = self.builds.newest().number;
                return;
            }
            let next = self.builds.next();
            tokio::time::timeout(Duration::from_secs(300), next).await.expect("nothing was built");
        }
        panic!("`{text}` is never answered");
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        self.files.0.join(file)
    }
}

#[tokio::test]
async fn links_to_directories_above_do_not_hang_the_watching() {
    let files = Crate::new("linked-above");
    for (link, target) in [("src/up", ".."), ("src/here", "."), ("again", "../linked-above"), ("top", "/")] {
        symlink(target, files.0.join(link)).unwrap();
    }
    let mut work = Work::start(files).await;
    work.files.greeting("version 1");
    assert_eq!(work.answer().await, "version 1");
}

#[tokio::test]
async fn a_directory_that_is_deleted_and_made_again_is_still_watched() {
    let mut work = Work::start(Crate::new("made-again")).await;
    for version in ["version 1", "version 2"] {
        fs::remove_dir_all(work.path("greeting/src")).unwrap();
        work.files.greeting(version);
        work.settles(version).await;
    }
    work.files.greeting("version 3");
    assert_eq!(work.answer().await, "version 3");
}

/// `git checkout` and `mv` replace directories like this. The new sources are older than the artifacts, so their age
/// does not show the change.
#[tokio::test]
async fn a_directory_that_is_replaced_by_an_older_one_is_built_and_still_watched() {
    let files = Crate::new("replaced");
    files.write("greeting/old/lib.rs", "pub const TEXT: &str = \"old\";\n");
    let mut work = Work::start(files).await;
    fs::rename(work.path("greeting/src"), work.path("greeting/new")).unwrap();
    fs::rename(work.path("greeting/old"), work.path("greeting/src")).unwrap();
    work.settles("old").await;
    work.files.greeting("version 1");
    assert_eq!(work.answer().await, "version 1");
}

#[tokio::test]
async fn the_directory_of_the_crate_may_itself_be_replaced() {
    let mut work = Work::start(Crate::new("moved")).await;
    let [here, aside, other] = ["moved", "moved-aside", "moved-other"].map(|name| work.files.0.with_file_name(name));
    for dir in [&aside, &other] {
        let _ = fs::remove_dir_all(dir);
    }
    let copied = Command::new("cp").args(["-a", here.to_str().unwrap(), other.to_str().unwrap()]).status().unwrap();
    assert!(copied.success());
    fs::write(other.join("greeting/src/lib.rs"), "pub const TEXT: &str = \"the other\";\n").unwrap();
    fs::rename(&here, &aside).unwrap();
    fs::rename(&other, &here).unwrap();
    work.settles("the other").await;
    work.files.greeting("version 1");
    assert_eq!(work.answer().await, "version 1");
}

#[tokio::test]
async fn what_git_ignores_and_logs_are_no_reason_to_build() {
    let files = Crate::new("ignored");
    files.write(".gitignore", "/notes\n*.tmp\n");
    let mut work = Work::start(files).await;
    let touch = |work: &Work, text: &str| {
        for file in ["notes/one.rs", "src/two.tmp", "dev.log", "README.md"] {
            work.files.write(file, text);
        }
    };
    touch(&work, "1");
    work.files.greeting("version 1");
    let build = work.next().await;
    assert_eq!(build.changed, [fs::canonicalize(&work.files.0).unwrap().join("greeting/src/lib.rs")]);
    // While a crate is broken, any new file may be the one that it lacks, unless git ignores the file or it is a log.
    work.files.write("src/lib.rs", "broken");
    work.next().await;
    for file in ["notes/one.rs", "src/two.tmp", "dev.log"] {
        work.files.write(file, "2");
    }
    work.files.write("src/lib.rs", "#[wayside::http_component]\nfn handle() -> &'static str { greeting::TEXT }\n");
    let build = work.next().await;
    assert_eq!(build.changed, [fs::canonicalize(&work.files.0).unwrap().join("src/lib.rs")]);
}

#[tokio::test]
async fn a_source_that_git_ignores_is_a_reason_to_build_once_cargo_knows_it() {
    let files = Crate::new("generated");
    files.write(".gitignore", "generated.rs\n");
    files.write("src/generated.rs", "pub const TEXT: &str = \"one\";\n");
    files.write(
        "src/lib.rs",
        "mod generated;\n#[wayside::http_component]\nfn handle() -> &'static str { generated::TEXT }\n",
    );
    let mut work = Work::start(files).await;
    work.files.write("src/generated.rs", "pub const TEXT: &str = \"two\";\n");
    assert_eq!(work.answer().await, "two");
}

#[tokio::test]
async fn what_cargo_knows_outside_of_the_package_is_a_reason_to_build() {
    let files = Crate::new("outside");
    let beside = |name: &str| format!("../outside-beside/{name}");
    let _ = fs::remove_dir_all(files.0.with_file_name("outside-beside"));
    files.write(&beside("text"), "included");
    files.write(&beside("asked/deep/text"), "asked for");
    files.write(
        "build.rs",
        "fn main() {\n    println!(\"cargo::rerun-if-changed=../outside-beside/asked\");\n    let text = \
         std::fs::read_to_string(\"../outside-beside/asked/deep/text\").unwrap();\n    \
         println!(\"cargo::rustc-env=ASKED={text}\");\n}\n",
    );
    files.write(
        "src/lib.rs",
        "#[wayside::http_component]\nfn handle() -> &'static str {\n    \
         concat!(include_str!(\"../../outside-beside/text\"), \", \", env!(\"ASKED\"))\n}\n",
    );
    let mut work = Work::start(files).await;
    assert_eq!(ask(&work.live, "*/*").await.1, "included, asked for");
    work.files.write(&beside("text"), "changed");
    assert_eq!(work.answer().await, "changed, asked for");
    work.files.write(&beside("asked/deep/text"), "asked again");
    assert_eq!(work.answer().await, "changed, asked again");
    // A directory outside of the package is watched again if it is deleted and made again.
    fs::remove_dir_all(work.files.0.with_file_name("outside-beside")).unwrap();
    work.files.write(&beside("asked/deep/text"), "asked at last");
    work.files.write(&beside("text"), "made again");
    work.settles("made again, asked at last").await;
}

#[tokio::test]
async fn a_crate_below_its_target_directory_is_built_when_it_changes() {
    let files = Crate::new("below");
    files.write(".cargo/config.toml", "[build]\ntarget-dir = \"../../live\"\n");
    let mut work = Work::start(files).await;
    work.files.greeting("version 1");
    assert_eq!(work.answer().await, "version 1");
}

#[tokio::test]
async fn sources_behind_a_link_are_watched_and_so_is_the_link() {
    let files = Crate::new("behind");
    let beside = files.0.with_file_name("behind-beside");
    let _ = fs::remove_dir_all(&beside);
    for name in ["one", "two"] {
        files.write(&format!("../behind-beside/{name}/lib.rs"), &format!("pub const TEXT: &str = {name:?};\n"));
    }
    fs::remove_dir_all(files.0.join("greeting/src")).unwrap();
    symlink(beside.join("one"), files.0.join("greeting/src")).unwrap();
    let mut work = Work::start(files).await;
    assert_eq!(ask(&work.live, "*/*").await.1, "one");
    work.files.write("../behind-beside/one/lib.rs", "pub const TEXT: &str = \"changed\";\n");
    assert_eq!(work.answer().await, "changed");
    // The new target of the link is older than the artifacts.
    symlink(beside.join("two"), work.path("greeting/beside")).unwrap();
    fs::rename(work.path("greeting/beside"), work.path("greeting/src")).unwrap();
    work.settles("two").await;
}

#[tokio::test]
async fn a_first_build_that_fails_behind_a_link_is_mended_there() {
    let files = Crate::new("behind-broken");
    let beside = files.0.with_file_name("behind-broken-beside");
    let _ = fs::remove_dir_all(&beside);
    files.write("../behind-broken-beside/lib.rs", "pub mod missing;\npub use missing::TEXT;\n");
    fs::remove_dir_all(files.0.join("greeting/src")).unwrap();
    symlink(&beside, files.0.join("greeting/src")).unwrap();
    let mut work = Work::start(files).await;
    work.files.write("../behind-broken-beside/missing.rs", "pub const TEXT: &str = \"mended\";\n");
    assert_eq!(work.answer().await, "mended");
}
