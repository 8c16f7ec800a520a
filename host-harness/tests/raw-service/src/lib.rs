//! A WASI 0.3 service with the bindings of the crate `wasip3` in place of the SDK. The first segment of the path
//! selects its behaviour.

#[cfg(target_family = "wasm")]
mod component {
    use wasip3::clocks::monotonic_clock;
    use wasip3::http::client;
    use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response, Scheme};
    use wasip3::{spawn_local, wit_bindgen, wit_future, wit_stream};
    use wit_bindgen::StreamResult;

    wasip3::http::service::export!(Component);

    struct Component;

    impl wasip3::exports::http::handler::Guest for Component {
        async fn handle(request: Request) -> Result<Response, ErrorCode> {
            let path = request.get_path_with_query().unwrap_or_default();
            match path.split('/').nth(1).unwrap_or_default() {
                "hello" => Ok(text("Hello from WASI 0.3!\n")),
                "host" => Ok(text(&request.get_authority().unwrap_or_default())),
                "nothing" => Ok(response(Fields::new(), None)),
                "echo" => Ok(echo(request)),
                "copy" => Ok(copy(request)),
                "log" => {
                    eprintln!("{path} before");
                    call(&path).await?;
                    eprintln!("{path} after");
                    Ok(text("logged"))
                }
                "call" => call(&path).await.map(pass),
                "upload" => upload().await.map(pass),
                "cut-upload" => Ok(cut_upload(&path).await.map_or_else(|code| text(name(&code)), pass)),
                "scheme" => Ok(call_with(&Scheme::Other("ftp".to_owned()), &path)
                    .await
                    .map_or_else(|code| text(name(&code)), pass)),
                "random" => Ok(text(&format!("{:?}", wasip3::random::random::get_random_bytes(8)))),
                "sleep" => {
                    let before = monotonic_clock::now();
                    monotonic_clock::wait_for(3_600_000_000_000).await;
                    Ok(text(&format!("{} ns", monotonic_clock::now() - before)))
                }
                "code" => Err(ErrorCode::ConfigurationError),
                "panic" => panic!("the handler gave up"),
                "panic-after-call" => {
                    call(&path).await?;
                    panic!("the handler gave up after its call")
                }
                "panic-after-head" => Ok(written(async |mut body| {
                    body.write_all(b"first part".to_vec()).await;
                    panic!("the body gave up")
                })),
                "panic-after-end" => Ok(written(async |mut body| {
                    body.write_all(b"all of it".to_vec()).await;
                    drop(body);
                    // Lets the separate task run that writes the future of the trailers.
                    wit_bindgen::yield_async().await;
                    panic!("the background gave up")
                })),
                "background" => {
                    spawn_local(async move {
                        let called = call(&path).await;
                        eprintln!("{path} has called: {}", called.is_ok());
                    });
                    Ok(text("more is to come"))
                }
                "endless" => Ok(written(async |mut body| {
                    while body.write_all(vec![b'x'; 64 * 1024]).await.is_empty() {}
                    eprintln!("the writer was told");
                })),
                "leak" => Ok(written(async |mut body| {
                    body.write_all(b"first part".to_vec()).await;
                    std::mem::forget(body);
                })),
                "break-off" => Ok(break_off()),
                "spin" => loop {
                    std::hint::black_box(());
                },
                _ => Ok(text("no such behaviour")),
            }
        }
    }

    /// Makes a response with this text as its body, and with its length.
    fn text(text: &str) -> Response {
        let fields = Fields::new();
        let _ = fields.append("content-length", text.len().to_string().as_bytes());
        let text = text.as_bytes().to_vec();
        let (mut writer, reader) = wit_stream::new();
        spawn_local(async move {
            writer.write_all(text).await;
        });
        response(fields, Some(reader))
    }

    /// Makes a response whose body the function `write` writes in a separate task.
    fn written<F>(write: impl FnOnce(wit_bindgen::StreamWriter<u8>) -> F) -> Response
    where
        F: Future<Output = ()> + 'static,
    {
        let (writer, reader) = wit_stream::new();
        spawn_local(write(writer));
        response(Fields::new(), Some(reader))
    }

    fn response(fields: Fields, body: Option<wit_bindgen::StreamReader<u8>>) -> Response {
        // Dropping the writer sends the default value, which means that there are no trailers.
        let (_, trailers) = wit_future::new(|| Ok(None));
        Response::new(fields, body, trailers).0
    }

    /// Makes a response that breaks off before its first byte, and prints the result that its writer gets.
    fn break_off() -> Response {
        let (writer, trailers) = wit_future::new(|| Ok(None));
        let (response, sent) = Response::new(Fields::new(), None, trailers);
        spawn_local(async move {
            let _ = writer.write(Err(ErrorCode::ConfigurationError)).await;
            eprintln!("{}", sent.await.map_or_else(|code| name(&code), |()| "sent"));
        });
        response
    }

    fn echo(request: Request) -> Response {
        let (_, consumed) = wit_future::new(|| Ok(()));
        let (body, trailers) = Request::consume_body(request, consumed);
        Response::new(Fields::new(), Some(body), trailers).0
    }

    /// Echoes the request body through the memory of the component, piece by piece.
    fn copy(request: Request) -> Response {
        let (_, consumed) = wit_future::new(|| Ok(()));
        let (mut body, trailers) = Request::consume_body(request, consumed);
        let (mut writer, reader) = wit_stream::new();
        spawn_local(async move {
            let mut buffer = Vec::with_capacity(64 * 1024);
            loop {
                let (result, read) = body.read(buffer).await;
                let left = writer.write_all(read).await;
                if !left.is_empty() {
                    eprintln!("the copy was told");
                    return;
                }
                buffer = left;
                if !matches!(result, StreamResult::Complete(_)) {
                    return;
                }
            }
        });
        Response::new(Fields::new(), Some(reader), trailers).0
    }

    /// Calls the upstream with a path, and waits for the head of its response.
    async fn call(path: &str) -> Result<Response, ErrorCode> {
        call_with(&Scheme::Http, path).await
    }

    async fn call_with(scheme: &Scheme, path: &str) -> Result<Response, ErrorCode> {
        let (_, trailers) = wit_future::new(|| Ok(None));
        let (request, _) = Request::new(Fields::new(), None, trailers, None);
        let _ = request.set_scheme(Some(scheme));
        let _ = request.set_authority(Some("upstream.test"));
        let _ = request.set_path_with_query(Some(path));
        client::send(request).await
    }

    /// Returns the name of an error code, if a test looks for this code. The names of all codes would make the
    /// component a fifth larger.
    fn name(code: &ErrorCode) -> &'static str {
        match code {
            ErrorCode::ConfigurationError => "configuration-error",
            ErrorCode::HttpRequestBodySize(_) => "HTTP-request-body-size",
            ErrorCode::HttpRequestUriInvalid => "HTTP-request-URI-invalid",
            _ => "another code",
        }
    }

    /// Makes a response with the body and the trailers of a received one.
    fn pass(answer: Response) -> Response {
        let (_, consumed) = wit_future::new(|| Ok(()));
        let (body, trailers) = Response::consume_body(answer, consumed);
        Response::new(Fields::new(), Some(body), trailers).0
    }

    /// Sends a body that breaks off after the text in the second segment of the path. The text may be empty.
    async fn cut_upload(path: &str) -> Result<Response, ErrorCode> {
        let part = path.split('/').nth(2).unwrap_or_default().as_bytes().to_vec();
        let fields = Fields::new();
        if path.ends_with("/declared") {
            let _ = fields.append("content-length", b"10");
        }
        let (mut writer, body) = wit_stream::new();
        let (ended, trailers) = wit_future::new(|| Ok(None));
        let (request, _) = Request::new(fields, Some(body), trailers, None);
        let _ = request.set_method(&Method::Post);
        let _ = request.set_scheme(Some(&Scheme::Http));
        let _ = request.set_authority(std::env::var("UPSTREAM").ok().as_deref());
        let _ = request.set_path_with_query(Some("/"));
        spawn_local(async move {
            writer.write_all(part).await;
            drop(writer);
            let _ = ended.write(Err(ErrorCode::ConfigurationError)).await;
        });
        client::send(request).await
    }

    /// Sends the first part of a body, and panics before the end of the body.
    async fn upload() -> Result<Response, ErrorCode> {
        let (mut writer, body) = wit_stream::new();
        let (_, trailers) = wit_future::new(|| Ok(None));
        let (request, _) = Request::new(Fields::new(), Some(body), trailers, None);
        let _ = request.set_method(&Method::Post);
        let _ = request.set_scheme(Some(&Scheme::Http));
        let _ = request.set_authority(Some("upstream.test"));
        spawn_local(async move {
            writer.write_all(b"first part".to_vec()).await;
            panic!("the upload gave up");
        });
        client::send(request).await
    }
}
