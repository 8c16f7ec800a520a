//! The wasmtime engines of this process.

mod swap;

use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use wasmtime::{Cache, CacheConfig, Config, Enabled, Engine, PoolingAllocationConfig, WasmBacktraceDetails};

use crate::Error;
use swap::Swap;

/// The interval after which a running guest yields to the host. A deadline can end a busy guest only when it yields.
const EPOCH: Duration = Duration::from_millis(10);

/// How much of an instance's memory and tables stays mapped for the next instance. The rest is returned to the system.
const KEEP_MEMORY_BYTES: usize = 2 * 1024 * 1024;
const KEEP_TABLE_BYTES: usize = 1024 * 1024;

/// The purpose of an engine. Engines of different purposes cannot share compiled code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Serve,
    /// Counts every instruction, which makes guests slower.
    CountFuel,
}

/// Returns the engine for a purpose. Each engine is created at its first use, and the whole process shares it.
pub(crate) fn engine(purpose: Purpose) -> Result<&'static Engine, Error> {
    static SERVE: OnceLock<Engine> = OnceLock::new();
    static COUNT_FUEL: OnceLock<Engine> = OnceLock::new();
    let slot = match purpose {
        Purpose::Serve => &SERVE,
        Purpose::CountFuel => &COUNT_FUEL,
    };
    if let Some(engine) = slot.get() {
        return Ok(engine);
    }
    let swap = Swap::now();
    let made = Engine::new(&config(purpose, swap))
        .map_err(|error| Error::new("cannot start the WebAssembly engine").with_source(error))?;
    // Two threads may create an engine at the same time. The first one is kept.
    Ok(slot.get_or_init(|| {
        start_epochs(&made, swap);
        made
    }))
}

fn config(purpose: Purpose, swap: Swap) -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.consume_fuel(purpose == Purpose::CountFuel);
    config.wasm_component_model_async(true);
    // With debug information in the component, a trap names files and lines.
    config.wasm_backtrace_details(WasmBacktraceDetails::Enable);
    config.allocation_strategy(pooling(swap));
    // `Cache::new` fails if there is no directory for the cache. Every component is then compiled anew.
    config.cache(Cache::new(CacheConfig::new()).ok());
    config
}

fn pooling(swap: Swap) -> PoolingAllocationConfig {
    let mut pooling = PoolingAllocationConfig::new();
    pooling.linear_memory_keep_resident(KEEP_MEMORY_BYTES);
    pooling.table_keep_resident(KEEP_TABLE_BYTES);
    // With the scan, wasmtime resets only the pages that an instance wrote; without it, all mapped memory. wasmtime 48
    // scans only pages that are present in memory, so a page that was swapped out would keep its data for the next
    // instance (wasmtime issue 14357).
    pooling.pagemap_scan(match swap {
        Swap::Off => Enabled::Auto,
        Swap::Possible => Enabled::No,
    });
    pooling
}

/// Starts a thread that increments the epoch of an engine for as long as the engine lives, which is until the process
/// ends.
fn start_epochs(engine: &Engine, swap: Swap) {
    let engine = engine.weak();
    let mut watch = swap::Watch::new(swap);
    thread::spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            watch.look();
            thread::sleep(EPOCH);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_scanned_for_written_pages_only_where_none_can_be_swapped_out() {
        assert_eq!(pooling(Swap::Off).get_pagemap_scan(), Enabled::Auto);
        assert_eq!(pooling(Swap::Possible).get_pagemap_scan(), Enabled::No);
    }
}
