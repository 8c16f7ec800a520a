//! The outbound services of components, and the files that several of them share.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use tower_service::Service as _;
use wayside_harness::http::Request;
use wayside_harness::{Body, Error, Outbound, Redaction};

use crate::args;
use crate::report;

/// The files of recordings, replays and learned rules. There is one service per file, even if several components name
/// it.
/// With a service each, every component would overwrite the others' data.
pub(crate) struct Recorders {
    open: HashMap<PathBuf, (&'static str, Outbound)>,
    /// The redaction of each cassette: everything that one of its components redacts.
    redactions: HashMap<PathBuf, Redaction>,
}

impl Recorders {
    /// Collects the files of some components, before any is opened.
    pub(crate) fn of<'a>(components: impl IntoIterator<Item = &'a args::Outbound>) -> Self {
        let mut redactions = HashMap::new();
        for args in components {
            if let Some(cassette) = &args.record {
                let redaction: &mut Redaction = redactions.entry(place(cassette)).or_default();
                *redaction = args.redact.iter().fold(redaction.clone(), |all, name| all.field(name).parameter(name));
            }
        }
        Self { open: HashMap::new(), redactions }
    }

    /// Returns the outbound service of a component.
    pub(crate) fn outbound(&mut self, args: args::Outbound) -> Result<Outbound, Error> {
        let mut outbound = match (args.mock, args.replay) {
            (Some(mock), _) => Outbound::mock_file(mock)?,
            (_, Some(cassette)) => self.shared("replay", &cassette, || Outbound::replay(&cassette))?,
            _ if args.learn_outbound.is_some() => {
                report::note("warning: every outbound call is allowed while --learn-outbound writes them down");
                Outbound::allow_all()
            }
            _ => Outbound::allow(args.allow_outbound),
        };
        if let Some(cassette) = args.record {
            let redaction = self.redactions.get(&place(&cassette)).cloned().unwrap_or_default();
            let recorder =
                self.shared("record", &cassette, || Outbound::record_with(&cassette, bring_own(), redaction))?;
            outbound = through(recorder, outbound);
        }
        if let Some(file) = args.learn_outbound {
            let learner = self.shared("learn-outbound", &file, || Outbound::learn(&file, bring_own()))?;
            outbound = through(learner, outbound);
        }
        Ok(outbound)
    }

    /// Lets the next component replay from the beginning.
    pub(crate) fn rewind(&mut self) {
        self.open.retain(|_, (key, _)| *key != "replay");
    }

    fn shared(
        &mut self,
        key: &'static str,
        file: &Path,
        open: impl FnOnce() -> Result<Outbound, Error>,
    ) -> Result<Outbound, Error> {
        let place = place(file);
        match self.open.get(&place) {
            Some((other, outbound)) if *other == key => Ok(outbound.clone()),
            Some((other, _)) => {
                let file = file.display();
                Err(Error::new(format!("the file `{file}` is given to both `{other}` and `{key}`"))
                    .with_help("give each a file of its own"))
            }
            None => Ok(self.open.entry(place).insert_entry((key, open()?)).get().1.clone()),
        }
    }
}

/// Normalizes the path of a file, existing or not. Follows links, because they stay when the file is replaced.
fn place(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    // The limit of Linux.
    for _ in 0..40 {
        let Ok(target) = fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    let found = fs::canonicalize(&path).ok();
    let made = || {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(fs::canonicalize(dir).ok()?.join(path.file_name()?))
    };
    found.or_else(made).unwrap_or_else(|| path.clone())
}

/// A request extension: the outbound service of its component.
#[derive(Clone)]
struct Own(Outbound);

/// Sends the calls of a component through a shared service to its own.
fn through(shared: Outbound, own: Outbound) -> Outbound {
    Outbound::from_fn(move |mut request: Request<Body>| {
        request.extensions_mut().insert(Own(own.clone()));
        shared.clone().call(request)
    })
}

/// The service behind a shared one: that of the request.
fn bring_own() -> Outbound {
    Outbound::from_fn(|mut request: Request<Body>| {
        let own = request.extensions_mut().remove::<Own>();
        own.map_or_else(Outbound::deny, |Own(own)| own).call(request)
    })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_and_the_file_behind_it_are_one_place_whether_it_exists_or_not() {
        let dir = std::env::temp_dir().join(format!("wayside-recorders-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        symlink("file", dir.join("link")).unwrap();
        symlink("link", dir.join("second")).unwrap();
        for _ in 0..2 {
            let places = ["file", "link", "second", "../file"].map(|name| place(&dir.join(name)));
            assert!(places[..3].iter().all(|place| *place == places[0]), "{places:?}");
            assert_ne!(places[3], places[0]);
            fs::write(dir.join("file"), "").unwrap();
        }
        fs::remove_dir_all(dir).unwrap();
    }
}
