//! Bindings for what the harness itself offers to components, from the WIT in `wit/host`.

wasmtime::component::bindgen!({
    path: "../wit/host",
    world: "wayside:host/host",
    imports: {
        "wasi:config/store": trappable | tracing,
        default: async | trappable | tracing,
    },
    with: { "wasi:keyvalue/store.bucket": crate::keyvalue::Bucket },
    trappable_error_type: { "wasi:keyvalue/store.error" => crate::keyvalue::CallError },
});
