//! Greets, with only the generated bindings.

#![allow(
    unsafe_code,
    unreachable_pub,
    clippy::allow_attributes_without_reason,
    clippy::uninlined_format_args,
    reason = "the code is generated, but for the handler"
)]

#[cfg(target_family = "wasm")]
mod bindings {
    include!("../../../../sdk/src/sys/wasip2/bindings.rs");
}

#[cfg(target_family = "wasm")]
mod component {
    use crate::bindings::exports::wasi::http::incoming_handler::Guest;
    use crate::bindings::wasi::http::types::{
        Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
    };

    struct Component;

    impl Guest for Component {
        fn handle(_: IncomingRequest, out: ResponseOutparam) {
            let fields = Fields::new();
            let _ = fields.append("content-type", b"text/plain; charset=utf-8");
            let _ = fields.append("content-length", b"20");
            let response = OutgoingResponse::new(fields);
            let Ok(body) = response.body() else { return };
            ResponseOutparam::set(out, Ok(response));
            if let Ok(stream) = body.write() {
                let _ = stream.blocking_write_and_flush(b"Hello from Wayside!\n");
            }
            let _ = OutgoingBody::finish(body, None);
        }
    }

    crate::bindings::__export_wasip2!(Component with_types_in crate::bindings);
}
