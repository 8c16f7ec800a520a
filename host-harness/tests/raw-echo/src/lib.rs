//! Echoes the body, with only the generated bindings.

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
        Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
    };

    struct Component;

    impl Guest for Component {
        fn handle(request: IncomingRequest, out: ResponseOutparam) {
            let response = OutgoingResponse::new(Fields::new());
            let (Ok(incoming), Ok(body)) = (request.consume(), response.body()) else { return };
            ResponseOutparam::set(out, Ok(response));
            if let (Ok(input), Ok(output)) = (incoming.stream(), body.write()) {
                while output.blocking_splice(&input, 1024 * 1024).is_ok() {}
            }
            drop(IncomingBody::finish(incoming));
            let _ = OutgoingBody::finish(body, None);
        }
    }

    crate::bindings::__export_wasip2!(Component with_types_in crate::bindings);
}
