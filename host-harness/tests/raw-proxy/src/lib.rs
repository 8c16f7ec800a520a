//! Forwards each request to the server that `UPSTREAM` names by host and port, with only the generated bindings.
//! Answers a failed call with 502 and the name of the error code. The variable `SCHEME` replaces the scheme `http`. If
//! the variable `CUT` is set, the body of the outbound request is dropped unfinished.

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
    use crate::bindings::wasi::http::outgoing_handler::handle;
    use crate::bindings::wasi::http::types::{
        ErrorCode, Fields, IncomingBody, IncomingRequest, IncomingResponse, OutgoingBody, OutgoingRequest,
        OutgoingResponse, ResponseOutparam, Scheme,
    };
    use crate::bindings::wasi::io::streams::StreamError;

    struct Component;

    impl Guest for Component {
        fn handle(request: IncomingRequest, out: ResponseOutparam) {
            match forward(&request) {
                Ok(incoming) => answer(incoming, out),
                Err(code) => fail(&code, out),
            }
        }
    }

    fn forward(request: &IncomingRequest) -> Result<IncomingResponse, ErrorCode> {
        let refused = || ErrorCode::InternalError(None);
        let sent = OutgoingRequest::new(request.headers().clone());
        sent.set_method(&request.method()).map_err(|()| refused())?;
        let scheme = std::env::var("SCHEME").map_or(Scheme::Http, Scheme::Other);
        sent.set_scheme(Some(&scheme)).map_err(|()| refused())?;
        sent.set_authority(std::env::var("UPSTREAM").ok().as_deref()).map_err(|()| refused())?;
        sent.set_path_with_query(request.path_with_query().as_deref()).map_err(|()| refused())?;
        let body = sent.body().map_err(|()| refused())?;
        let answer = handle(sent, None)?;
        let upload = request.consume().map_err(|()| refused())?;
        if let (Ok(input), Ok(output)) = (upload.stream(), body.write()) {
            while output.blocking_splice(&input, 1024 * 1024).is_ok() {}
        }
        if std::env::var("CUT").is_ok() {
            drop(body);
        } else {
            OutgoingBody::finish(body, None)?;
        }
        answer.subscribe().block();
        match answer.get() {
            Some(Ok(answer)) => answer,
            _ => Err(refused()),
        }
    }

    fn answer(incoming: IncomingResponse, out: ResponseOutparam) {
        let response = OutgoingResponse::new(incoming.headers().clone());
        let _ = response.set_status_code(incoming.status());
        let (Ok(received), Ok(body)) = (incoming.consume(), response.body()) else { return };
        ResponseOutparam::set(out, Ok(response));
        let mut whole = false;
        if let (Ok(input), Ok(output)) = (received.stream(), body.write()) {
            loop {
                match output.blocking_splice(&input, 1024 * 1024) {
                    Ok(_) => {}
                    Err(StreamError::Closed) => {
                        whole = true;
                        break;
                    }
                    Err(StreamError::LastOperationFailed(error)) => {
                        eprintln!("{}", error.to_debug_string());
                        break;
                    }
                }
            }
        }
        drop(IncomingBody::finish(received));
        // Dropping an unfinished body breaks the response off.
        if whole {
            let _ = OutgoingBody::finish(body, None);
        }
    }

    fn fail(code: &ErrorCode, out: ResponseOutparam) {
        let response = OutgoingResponse::new(Fields::new());
        let _ = response.set_status_code(502);
        let Ok(body) = response.body() else { return };
        ResponseOutparam::set(out, Ok(response));
        if let Ok(output) = body.write() {
            let _ = output.blocking_write_and_flush(format!("{code:?}\n").as_bytes());
        }
        let _ = OutgoingBody::finish(body, None);
    }

    crate::bindings::__export_wasip2!(Component with_types_in crate::bindings);
}
