//! Makes the services that answer the outbound calls of components, and their key-value stores in files. Components that
//! name the same file share a service or a store.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use tower_service::Service as _;
use wayside_harness::http::Request;
use wayside_harness::{Body, Error, KeyValue, Outbound, Redaction};

use crate::args;
use crate::report;

/// The services that record to a file, replay it, or write learned rules to it. Components that name the same file
/// share one service: with separate services, each component would overwrite the calls of the others.
pub(crate) struct Recorders {
    open: HashMap<PathBuf, (&'static str, Outbound)>,
    /// What the recording in each file leaves out as secret: the names that any of the components with this file
    /// redacts.
    redactions: HashMap<PathBuf, Redaction>,
    /// The key-value stores in files.
    stores: HashMap<PathBuf, KeyValue>,
}

impl Recorders {
    /// Collects what the components redact, before the first file is opened.
    pub(crate) fn of<'a>(components: impl IntoIterator<Item = &'a args::Outbound>) -> Self {
        let mut redactions = HashMap::new();
        for args in components {
            if let Some(cassette) = &args.record {
                let redaction: &mut Redaction = redactions.entry(place(cassette)).or_default();
                *redaction = args.redact.iter().fold(redaction.clone(), |all, name| all.field(name).parameter(name));
            }
        }
        Self { open: HashMap::new(), redactions, stores: HashMap::new() }
    }

    /// Returns the service that answers the outbound calls of a component.
    pub(crate) fn outbound(&mut self, args: args::Outbound) -> Result<Outbound, Error> {
        let mut outbound = match (args.mock, args.replay) {
            (Some(mock), _) => Outbound::mock_file(mock)?,
            (_, Some(cassette)) => self.shared("replay", &cassette, || {
                if args.replay_pauses { Outbound::replay_with_pauses(&cassette) } else { Outbound::replay(&cassette) }
            })?,
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

    /// Returns the key-value store in a file. Components that name the same file share it.
    pub(crate) fn store(&mut self, file: &Path) -> Result<KeyValue, Error> {
        let place = place(file);
        if let Some(store) = self.stores.get(&place) {
            return Ok(store.clone());
        }
        Ok(self.stores.entry(place).insert_entry(KeyValue::file(file)?).get().clone())
    }

    /// Forgets the services that replay, so that the next component replays its file from the beginning.
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

/// Returns the canonical path of a file that need not exist. Follows symbolic links, because writing replaces the file
/// behind a link and keeps the link.
fn place(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    // Linux also follows at most 40 links.
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

/// A request extension with the outbound service of the component that makes the call.
#[derive(Clone)]
struct Own(Outbound);

/// Returns a service that sends each call through `shared`, and tells `bring_own` behind it to pass the call on to
/// `own`.
fn through(shared: Outbound, own: Outbound) -> Outbound {
    Outbound::from_fn(move |mut request: Request<Body>| {
        request.extensions_mut().insert(Own(own.clone()));
        shared.clone().call(request)
    })
}

/// Returns the service behind a shared one. It passes each call on to the service in the extension `Own` of the call.
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
