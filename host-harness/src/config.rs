//! `wasi:config`: settings that a component can read and not change.

use std::sync::Arc;

use wasmtime::component::{HasData, Linker};

use crate::bindings::wasi::config::store;

/// The settings of a component, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config(Arc<Vec<(String, String)>>);

impl Config {
    pub(crate) fn new(settings: Vec<(String, String)>) -> Self {
        Self(Arc::new(settings))
    }

    /// Implements `wasi:config` for components.
    pub(crate) fn add_to_linker<T: Send + 'static>(
        linker: &mut Linker<T>,
        config: fn(&mut T) -> &mut Self,
    ) -> wasmtime::Result<()> {
        store::add_to_linker::<T, Settings>(linker, config)
    }
}

struct Settings;

impl HasData for Settings {
    type Data<'a> = &'a mut Config;
}

impl store::Host for Config {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, store::Error>> {
        let setting = self.0.iter().find(|(name, _)| *name == key);
        Ok(Ok(setting.map(|(_, value)| value.clone())))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, store::Error>> {
        Ok(Ok(Vec::clone(&self.0)))
    }
}
