//! Runs and tests WASI HTTP components natively.
