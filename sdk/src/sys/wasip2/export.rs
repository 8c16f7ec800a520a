//! The function `handle` that a component exports, and what the attribute macros need to define it.

pub use super::bindings;
pub use super::exchange::serve;

/// Exports a handler as `wasi:http/incoming-handler`.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_handler {
    ($request:ident => $answer:expr) => {
        // The user's code can see these names, so they have a prefix that other names do not have.
        struct __WaysideComponent;

        impl $crate::__private::bindings::exports::wasi::http::incoming_handler::Guest for __WaysideComponent {
            fn handle(
                __wayside_incoming: $crate::__private::bindings::wasi::http::types::IncomingRequest,
                __wayside_outparam: $crate::__private::bindings::wasi::http::types::ResponseOutparam,
            ) {
                $crate::__private::serve(__wayside_incoming, __wayside_outparam, |$request| $answer);
            }
        }

        $crate::__export_wasip2_impl!(__WaysideComponent with_types_in $crate::__private::bindings);
    };
}

pub use crate::__export_handler as export;

/// Rejects middleware with a compile error.
#[doc(hidden)]
#[macro_export]
macro_rules! __declare_no_middleware {
    () => {
        ::core::compile_error!(
            "there is no middleware in WASI 0.2: a component cannot call the next handler; \
             build it for WASI 0.3, with the feature `wasip3` of the crate `wayside`"
        );
    };
}

pub use crate::__declare_no_middleware as declare_middleware;
