//! Middleware with only the generated bindings; the header `x-middleware` of the request selects its behaviour.

#[cfg(target_family = "wasm")]
#[expect(unsafe_code, reason = "generated code")]
mod bindings {
    wit_bindgen::generate!({ world: "middleware", path: "../../../wit/wasip3", generate_all });
    export!(Component with_types_in self);
    use super::component::Component;
}

#[cfg(target_family = "wasm")]
mod component {
    use wit_bindgen::{StreamReader, StreamResult, spawn_local};

    use super::bindings::exports::wasi::http::handler::Guest;
    use super::bindings::wasi::http::handler::handle;
    use super::bindings::wasi::http::types::{ErrorCode, Fields, Request, Response};
    use super::bindings::{wit_future, wit_stream};

    pub(super) struct Component;

    impl Guest for Component {
        async fn handle(request: Request) -> Result<Response, ErrorCode> {
            let fields = request.get_headers();
            let asked = fields.get("x-middleware").into_iter().next().unwrap_or_default();
            match String::from_utf8_lossy(&asked).as_ref() {
                "copy" => handle(copy_request(request)).await.map(copy_response),
                "stop" => Ok(stop()),
                "panic" => panic!("the middleware gave up"),
                "panic-after" => {
                    let _response = handle(request).await;
                    panic!("the middleware gave up after its call")
                }
                "panic-in-body" => {
                    let response = handle(fail_request(request)).await?;
                    Ok(response)
                }
                "break-off" => handle(break_off_request(request)).await,
                "twice" => {
                    handle(empty(&request)).await?;
                    handle(request).await
                }
                _ => handle(request).await,
            }
        }
    }

    fn stop() -> Response {
        let (_, trailers) = wit_future::new(|| Ok(None));
        let (response, _) = Response::new(Fields::new(), None, trailers);
        let _ = response.set_status_code(403);
        response
    }

    /// Makes a copy of a request without its body.
    fn empty(request: &Request) -> Request {
        let (_, trailers) = wit_future::new(|| Ok(None));
        let fields = request.get_headers().clone();
        let _ = fields.delete("content-length");
        let (copy, _) = Request::new(fields, None, trailers, None);
        copy_line(request, &copy);
        copy
    }

    fn copy_line(from: &Request, to: &Request) {
        let _ = to.set_method(&from.get_method());
        let _ = to.set_scheme(from.get_scheme().as_ref());
        let _ = to.set_authority(from.get_authority().as_deref());
        let _ = to.set_path_with_query(from.get_path_with_query().as_deref());
    }

    fn copy_request(request: Request) -> Request {
        let line = empty(&request);
        let fields = request.get_headers().clone();
        let (_, consumed) = wit_future::new(|| Ok(()));
        let (body, trailers) = Request::consume_body(request, consumed);
        let (copy, _) = Request::new(fields, Some(copy_body(body)), trailers, None);
        copy_line(&line, &copy);
        copy
    }

    fn copy_response(response: Response) -> Response {
        let fields = response.get_headers().clone();
        let status = response.get_status_code();
        let (_, consumed) = wit_future::new(|| Ok(()));
        let (body, trailers) = Response::consume_body(response, consumed);
        let (copy, _) = Response::new(fields, Some(copy_body(body)), trailers);
        let _ = copy.set_status_code(status);
        copy
    }

    fn copy_body(mut body: StreamReader<u8>) -> StreamReader<u8> {
        let (mut writer, reader) = wit_stream::new();
        spawn_local(async move {
            let mut buffer = Vec::with_capacity(64 * 1024);
            loop {
                let (result, read) = body.read(buffer).await;
                buffer = writer.write_all(read).await;
                if !buffer.is_empty() {
                    eprintln!("the middleware was told");
                    return;
                }
                if !matches!(result, StreamResult::Complete(_)) {
                    return;
                }
            }
        });
        reader
    }

    /// Makes a request whose body, after its first part, ends with an error code in place of trailers.
    fn break_off_request(request: Request) -> Request {
        let (ended, trailers) = wit_future::new(|| Ok(None));
        let (mut writer, reader) = wit_stream::new();
        spawn_local(async move {
            writer.write_all(b"first part".to_vec()).await;
            drop(writer);
            let _ = ended.write(Err(ErrorCode::ConfigurationError)).await;
        });
        let (copy, _) = Request::new(Fields::new(), Some(reader), trailers, None);
        copy_line(&request, &copy);
        copy
    }

    /// Makes a request whose body is unfinished when the component panics after the first part.
    fn fail_request(request: Request) -> Request {
        let (_, trailers) = wit_future::new(|| Ok(None));
        let (mut writer, reader) = wit_stream::new();
        spawn_local(async move {
            writer.write_all(b"first part".to_vec()).await;
            panic!("the body of the middleware gave up");
        });
        let (copy, _) = Request::new(Fields::new(), Some(reader), trailers, None);
        copy_line(&request, &copy);
        copy
    }
}
