//! Handlers of every shape, in modules full of names that the expansion of the SDK's macros also uses.
//!
//! This crate is compiled natively with the workspace, and a test runs `cargo check` on it for each version of WASI. It
//! cannot be built as a component, because each module would export a handler.

#![forbid(unsafe_code)]
#![allow(
    dead_code,
    non_upper_case_globals,
    unused_imports,
    unused_macros,
    reason = "the names are there to be in the way"
)]

/// Declares types, modules, statics and macros with names that an expansion of the SDK's macros might use.
macro_rules! in_the_way {
    () => {
        use crate::types::*;

        mod wayside {}
        mod std {}
        mod core {}
        mod alloc {}
        mod bindings {}
        mod exports {}

        static response_out: () = ();
        static argument: () = ();
        static next: () = ();

        macro_rules! export {
            () => {};
        }
        macro_rules! compile_error {
            () => {};
        }
    };
}

/// Types named after types that an expansion uses. Each can be the argument and the result of a handler.
pub mod types {
    macro_rules! types {
        ($($name:ident)*) => {$(
            #[allow(missing_docs, reason = "it has nothing but a name")]
            #[derive(Debug)]
            pub struct $name;

            impl ::wayside::FromRequest for $name {
                type Rejection = ::wayside::Error;

                async fn from_request(_: ::wayside::IncomingRequest) -> ::core::result::Result<Self, ::wayside::Error> {
                    ::core::result::Result::Ok($name)
                }
            }

            impl ::wayside::IntoResponse for $name {
                fn into_response(self) -> ::wayside::Response {
                    ::wayside::Response::default()
                }
            }
        )*};
    }

    types! {
        Component Handler Guest Result Option String Some None Ok Err Box Vec Answer Body Error Future FromRequest
        IncomingRequest IntoResponse Next Request Response ResponseOutparam Send Service Fn FnOnce Drop Default Into From
    }
}

/// Declares handlers named after variables that an expansion uses. Each is declared without an argument, with one, as
/// middleware, and as a service.
macro_rules! handlers {
    ($($name:ident $argument:ident $answer:ident;)*) => {$(
        mod $name {
            mod plain {
                in_the_way!();

                #[::wayside::http_component]
                fn $name() -> $answer {
                    $answer
                }
            }

            mod with_argument {
                in_the_way!();

                #[::wayside::http_component(max_body = "1 MiB")]
                async fn $name(_: $argument) -> $answer {
                    $answer
                }
            }

            #[cfg(any(feature = "wasip3", not(target_family = "wasm")))]
            mod middleware {
                in_the_way!();

                #[::wayside::http_middleware]
                async fn $name(_: $argument, _: ::wayside::middleware::Next) -> $answer {
                    $answer
                }
            }

            mod service {
                in_the_way!();

                #[::wayside::http_component(service)]
                fn $name() -> crate::App {
                    crate::App
                }
            }
        }
    )*};
}

mod variables {
    handlers! {
        answer Component Component;
        check_argument Handler Handler;
        check_response Guest Guest;
        export_handle Result Result;
        handle Option Option;
        handler String String;
        into_answer Some Some;
        limit Box Box;
        ready Future Future;
        request Request Response;
        response IncomingRequest IntoResponse;
        serve FromRequest Answer;
        // `main` is the name of the entry point of a program.
        main Next Body;
    }
}

/// A function cannot share a module with a static of the same name, so these have their own modules.
mod variables_without_statics {
    #[::wayside::http_component]
    async fn argument(_: ::wayside::Request) -> &'static str {
        "hello"
    }

    mod response_out {
        #[::wayside::http_component]
        fn response_out() {}
    }

    #[cfg(any(feature = "wasip3", not(target_family = "wasm")))]
    mod next {
        #[::wayside::http_middleware]
        async fn next(request: ::wayside::Request, next: ::wayside::middleware::Next) -> ::wayside::Response {
            next.run(request).await
        }
    }

    /// The name that the exported type had in earlier versions.
    #[allow(non_snake_case, reason = "the name of a type")]
    mod type_name {
        #[::wayside::http_component]
        fn Component() -> &'static str {
            "hello"
        }
    }
}

/// A tower service that responds with an empty body.
#[derive(Debug)]
pub struct App;

impl tower_service::Service<wayside::Request> for App {
    type Response = wayside::Response;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<wayside::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: wayside::Request) -> Self::Future {
        std::future::ready(Ok(wayside::Response::default()))
    }
}
