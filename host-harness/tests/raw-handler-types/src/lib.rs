//! A service that refers to a type through `wasi:http/handler`, so that it imports this interface without a function.

#[cfg(target_family = "wasm")]
#[expect(unsafe_code, reason = "generated code")]
mod bindings {
    wit_bindgen::generate!({
        inline: "
            package wayside:handler-types;

            world service {
              use wasi:http/handler@0.3.0.{request};

              export wasi:http/handler@0.3.0;
              export has-path: func(of: borrow<request>) -> bool;
            }
        ",
        path: "../../../wit/wasip3",
        world: "wayside:handler-types/service",
        generate_all,
    });
    export!(Component with_types_in self);
    use super::component::Component;
}

#[cfg(target_family = "wasm")]
mod component {
    use super::bindings::exports::wasi::http::handler::Guest as Handler;
    use super::bindings::wasi::http::types::{ErrorCode, Fields, Request, Response};
    use super::bindings::{Guest, wit_future};

    pub(super) struct Component;

    impl Guest for Component {
        fn has_path(of: &Request) -> bool {
            of.get_path_with_query().is_some()
        }
    }

    impl Handler for Component {
        async fn handle(_: Request) -> Result<Response, ErrorCode> {
            let (_, trailers) = wit_future::new(|| Ok(None));
            let (response, _) = Response::new(Fields::new(), None, trailers);
            let _ = response.set_status_code(204);
            Ok(response)
        }
    }
}
