//! Who answers the calls of components, and the files that several of them share.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use tower_service::Service as _;
use wayside_harness::http::Request;
use wayside_harness::{Body, Error, Outbound};

use crate::args;
use crate::report;

/// The files that calls are recorded in, replayed from or learnt into: one service has each, however many components name it.
/// With one each, every component would replace what the others have written.
#[derive(Default)]
pub(crate) struct Recorders(HashMap<PathBuf, (&'static str, Outbound)>);

impl Recorders {
    /// Who answers the calls of one component.
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
            let recorder = self.shared("record", &cassette, || Outbound::record(&cassette, bring_own()))?;
            outbound = through(recorder, outbound);
        }
        if let Some(file) = args.learn_outbound {
            let learner = self.shared("learn-outbound", &file, || Outbound::learn(&file, bring_own()))?;
            outbound = through(learner, outbound);
        }
        Ok(outbound)
    }

    /// Lets the next component replay from the beginning, whatever others have replayed.
    pub(crate) fn rewind(&mut self) {
        self.0.retain(|_, (key, _)| *key != "replay");
    }

    fn shared(
        &mut self,
        key: &'static str,
        file: &Path,
        open: impl FnOnce() -> Result<Outbound, Error>,
    ) -> Result<Outbound, Error> {
        if let Ok(found) = fs::canonicalize(file)
            && let Some((other, outbound)) = self.0.get(&found)
        {
            if *other == key {
                return Ok(outbound.clone());
            }
            return Err(Error::new(format!("the file `{}` is given to both `{other}` and `{key}`", file.display()))
                .with_help("give each a file of its own"));
        }
        let outbound = open()?;
        // It is there now.
        let found = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        self.0.insert(found, (key, outbound.clone()));
        Ok(outbound)
    }
}

/// In the extensions of a request: the service of the component that it comes from.
#[derive(Clone)]
struct Own(Outbound);

/// Sends the calls of a component through a service that others share, to its own.
fn through(shared: Outbound, own: Outbound) -> Outbound {
    Outbound::from_fn(move |mut request: Request<Body>| {
        request.extensions_mut().insert(Own(own.clone()));
        shared.clone().call(request)
    })
}

/// The service behind one that is shared: the one that the request brings along.
fn bring_own() -> Outbound {
    Outbound::from_fn(|mut request: Request<Body>| {
        let own = request.extensions_mut().remove::<Own>();
        own.map_or_else(Outbound::deny, |Own(own)| own).call(request)
    })
}
