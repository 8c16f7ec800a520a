//! The export of a component, as the attribute macros use it.

use std::future::Future;

pub use super::bindings;
use super::exchange::ArrivingRequest;
use crate::sys::HandlerResult;

/// The user's handler, as a type that the export can call.
#[doc(hidden)]
pub trait Handler: 'static {
    fn answer(request: ArrivingRequest) -> impl Future<Output: HandlerResult>;
}

/// Mirrors the generated module that the export macro uses, and replaces its functions: the generated ones would run
/// the handler on the run time of `wit-bindgen`.
#[doc(hidden)]
pub mod component {
    pub mod exports {
        pub mod wasi {
            pub mod http {
                pub mod handler {
                    use crate::sys::wasip3::{abi, bindings, exchange, export::Handler};

                    pub use bindings::exports::wasi::http::handler::__export_wasi_http_handler_0_3_0_cabi;

                    #[allow(unsafe_code, reason = "the host calls it with a request that it hands over")]
                    pub unsafe fn _export_handle_cabi<H: Handler>(request: i32) -> i32 {
                        // SAFETY: with this call, the host transfers the ownership of the request's handle.
                        let request = unsafe { bindings::wasi::http::types::Request::from_handle(request as u32) };
                        exchange::serve(request, H::answer) as i32
                    }

                    #[allow(unsafe_code, reason = "the generated export calls it as an unsafe function")]
                    pub unsafe fn __callback_handle(event: u32, waitable: u32, code: u32) -> u32 {
                        abi::callback(event, waitable, code)
                    }
                }
            }
        }
    }
}

/// Exports a handler as `wasi:http/handler`.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_handler {
    ($request:ident => $answer:expr) => {
        // The user's code can see this name, so it has a prefix that other names do not have.
        struct __WaysideComponent;

        impl $crate::__private::Handler for __WaysideComponent {
            fn answer(
                $request: $crate::__private::ArrivingRequest,
            ) -> impl ::core::future::Future<Output: $crate::__private::HandlerResult> {
                $answer
            }
        }

        $crate::__private::bindings::__export_wasip3!(__WaysideComponent with_types_in $crate::__private::component);
    };
}

pub use crate::__export_handler as export;
pub use bindings::__declare_wasip3_middleware as declare_middleware;
