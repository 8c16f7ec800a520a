//! Learns which rules the outbound calls of a component need.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::Outbound;
use super::policy::target;
use super::toml_file;
use crate::{Error, file};

/// Passes calls on, and writes a list of the rules that would allow them.
pub(super) fn learn(path: &Path, inner: Outbound) -> Result<Outbound, Error> {
    file::replace(path, "").map_err(|error| toml_file::unwritable(path, "list of rules", error))?;
    let path = path.to_owned();
    let rules = Mutex::new(BTreeSet::new());
    Ok(Outbound::from_handler(move |request| {
        let mut rules = rules.lock().unwrap_or_else(PoisonError::into_inner);
        if rules.insert(target(request.uri())) {
            let lines: String = rules.iter().map(|rule| format!("{rule}\n")).collect();
            if let Err(error) = file::replace(&path, &lines) {
                tracing::error!("cannot write the list of rules `{}`: {error}", path.display());
            }
        }
        drop(rules);
        (inner.0)(request)
    }))
}
