//! The native versions of the macros that the attribute macros call. They check the handler but export nothing.

/// Checks a handler without exporting it.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_native {
    ($request:ident => $answer:expr) => {
        const _: fn($crate::__private::ArrivingRequest) = |$request| {
            // This closure is never called. It makes the compiler check the handler and treat it as used.
            let _ = $answer;
        };
    };
}

pub use crate::__export_native as export;

/// Expands to nothing: only in a component does middleware declare that it imports the next handler.
#[doc(hidden)]
#[macro_export]
macro_rules! __declare_native_middleware {
    () => {};
}

pub use crate::__declare_native_middleware as declare_middleware;
