//! Bindings for the interfaces that the harness itself implements, from the WIT in `wit/host`.

use wasmtime::component::ResourceTableError;

wasmtime::component::bindgen!({
    path: "wit",
    world: "wayside:host/host",
    imports: {
        "wasi:config/store": trappable | tracing,
        default: async | trappable | tracing,
    },
    with: { "wasi:keyvalue/store.bucket": Bucket },
    trappable_error_type: { "wasi:keyvalue/store.error" => CallError },
});

/// A bucket that an instance has opened.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated code in this file has public items that name it")]
pub struct Bucket(pub(crate) String);

/// The failure of a call of `wasi:keyvalue`.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "the generated code in this file has public items that name it")]
pub enum CallError {
    /// The component gets this error.
    Told(wasi::keyvalue::store::Error),
    /// The instance traps, because it used a bucket handle that it does not own.
    Trap(ResourceTableError),
}

impl From<ResourceTableError> for CallError {
    fn from(error: ResourceTableError) -> Self {
        Self::Trap(error)
    }
}
