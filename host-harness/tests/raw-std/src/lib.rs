//! Uses the host through Rust's standard library: its time, its sleep and its random numbers. The first segment of the
//! path selects one.

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
    use std::collections::hash_map::RandomState;
    use std::hash::BuildHasher as _;
    use std::thread;
    use std::time::{Duration, Instant, SystemTime};

    use crate::bindings::exports::wasi::http::incoming_handler::Guest;
    use crate::bindings::wasi::http::types::{
        Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
    };

    struct Component;

    impl Guest for Component {
        fn handle(request: IncomingRequest, out: ResponseOutparam) {
            let path = request.path_with_query().unwrap_or_default();
            let mut segments = path.split('/').skip(1);
            let text = match segments.next() {
                Some("now") => match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
                    Ok(now) => now.as_secs().to_string(),
                    Err(error) => error.to_string(),
                },
                Some("sleep") => {
                    let millis = segments.next().and_then(|millis| millis.parse().ok()).unwrap_or(0);
                    sleep(Duration::from_millis(millis))
                }
                Some("hash") => RandomState::new().hash_one(1).to_string(),
                Some("panic") => give_up(segments.next()),
                _ => "no such behaviour".to_owned(),
            };
            answer(out, &text);
        }
    }

    fn sleep(span: Duration) -> String {
        let before = Instant::now();
        thread::sleep(span);
        before.elapsed().as_millis().to_string()
    }

    #[inline(never)]
    fn give_up(reason: Option<&str>) -> String {
        panic!("gave up on {}", reason.unwrap_or("nothing"))
    }

    fn answer(out: ResponseOutparam, text: &str) {
        let response = OutgoingResponse::new(Fields::new());
        let Ok(body) = response.body() else { return };
        ResponseOutparam::set(out, Ok(response));
        if let Ok(output) = body.write() {
            let _ = output.blocking_write_and_flush(text.as_bytes());
        }
        let _ = OutgoingBody::finish(body, None);
    }

    crate::bindings::__export_wasip2!(Component with_types_in crate::bindings);
}
