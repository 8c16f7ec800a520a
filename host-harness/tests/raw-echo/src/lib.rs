//! Sends the body back, with nothing between it and the host but the generated bindings.

#[cfg(target_family = "wasm")]
mod component {
    use wayside::__private::bindings::exports::wasi::http::incoming_handler::Guest;
    use wayside::__private::bindings::wasi::http::types::{
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

    wayside::__export_wasip2_impl!(Component with_types_in wayside::__private::bindings);
}
