//! Opens a component from the arguments of a sub-command.

use std::path::PathBuf;

use wayside_harness::{Error, Harness, HarnessBuilder, KeyValue, Limits};

use crate::args::{Guest, Serving, Store, Target};
use crate::env_file;
use crate::recorders::Recorders;

/// Opens a target with its settings. The output of the component goes to stderr.
pub(crate) async fn open(target: Target, guest: Guest) -> Result<HarnessBuilder, Error> {
    let mut recorders = Recorders::of([&guest.outbound]);
    Ok(open_quietly(target, guest, &mut recorders).await?.pass_on_output())
}

/// Opens a target with its settings. The output of the component is dropped.
pub(crate) async fn open_quietly(
    target: Target,
    guest: Guest,
    recorders: &mut Recorders,
) -> Result<HarnessBuilder, Error> {
    open_for_serving(target, guest, &Serving::default(), recorders).await
}

/// Opens a target with its settings, and with settings that matter to servers.
pub(crate) async fn open_for_serving(
    target: Target,
    guest: Guest,
    serving: &Serving,
    recorders: &mut Recorders,
) -> Result<HarnessBuilder, Error> {
    let guest = read_env_files(guest)?;
    let mut builder = Harness::open(target.target)
        .features(target.features)
        .limits(limits(&guest, serving))
        .reuse(serving.instances.reuse.unwrap_or(1))
        .at_once(serving.instances.at_once.unwrap_or(1))
        .outbound(recorders.outbound(guest.outbound)?)
        .show_progress();
    for (name, value) in guest.env {
        builder = builder.env(name, value);
    }
    for target in guest.middleware {
        builder = builder.middleware(target);
    }
    for (name, value) in guest.config {
        builder = builder.config(name, value);
    }
    builder = match guest.keyvalue {
        Some(Store::Redis(url)) => builder.keyvalue(KeyValue::redis(&url).await?),
        Some(Store::File(path)) => builder.keyvalue(recorders.store(&path)?),
        Some(Store::Memory) | None => builder,
    };
    if serving.count_fuel {
        builder = builder.count_fuel();
    }
    Ok(builder)
}

/// A part of the environment: files, and variables that override those of the files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) variables: Vec<(String, String)>,
}

impl Environment {
    /// Moves the environment out of the settings. Reads files that cannot be read twice, such as pipes.
    pub(crate) fn take(guest: &mut Guest) -> Result<Self, Error> {
        let mut environment = Self { files: std::mem::take(&mut guest.env_file), variables: Vec::new() };
        if !environment.files.iter().all(|file| file.is_file()) {
            environment.variables = environment.read()?;
            environment.files.clear();
        }
        environment.variables.append(&mut guest.env);
        Ok(environment)
    }

    pub(crate) fn read(&self) -> Result<Vec<(String, String)>, Error> {
        let mut variables = Vec::new();
        for file in &self.files {
            variables.append(&mut env_file::read(file)?);
        }
        variables.extend_from_slice(&self.variables);
        Ok(variables)
    }
}

/// Reads the environment files, and puts their variables before those of `--env`, which override them. Then removes the
/// files from the settings: a file may be a pipe, which cannot be read twice.
pub(crate) fn read_env_files(mut guest: Guest) -> Result<Guest, Error> {
    let files = std::mem::take(&mut guest.env_file);
    guest.env = Environment { files, variables: guest.env }.read()?;
    Ok(guest)
}

fn limits(guest: &Guest, serving: &Serving) -> Limits {
    let mut limits = Limits::default();
    if let Some(timeout) = guest.timeout {
        limits = limits.timeout(timeout);
    }
    if let Some(bytes) = guest.max_memory {
        limits = limits.memory_bytes(bytes);
    }
    if let Some(bytes) = guest.max_body {
        limits = limits.body_bytes(bytes);
    }
    if let Some(requests) = serving.max_concurrency {
        limits = limits.concurrency(requests as usize);
    }
    limits
}
