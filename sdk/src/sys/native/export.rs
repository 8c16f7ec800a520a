//! The native version of what the macros call: checks without an export.

/// Checks a handler without exporting it.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_native {
    ($request:ident => $answer:expr) => {
        const _: fn($crate::__private::ArrivingRequest) = |$request| {
            // Never called: it makes the compiler check the handler, and treat it as used.
            let _ = $answer;
        };
    };
}

pub use crate::__export_native as export;

/// Natively, middleware declares nothing.
#[doc(hidden)]
#[macro_export]
macro_rules! __declare_native_middleware {
    () => {};
}

pub use crate::__declare_native_middleware as declare_middleware;
