//! What the macros call natively: the checks, and no export.

/// Checks a handler without exporting it.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_native {
    ($answer:expr) => {
        const _: fn($crate::IncomingRequest) = |request: $crate::IncomingRequest| {
            fn run<F>(answer: impl Fn($crate::IncomingRequest) -> F, request: $crate::IncomingRequest) -> F {
                answer(request)
            }
            // Never called: it makes the compiler check the handler, and count it as used.
            let _ = run($answer, request);
        };
    };
}

pub use crate::__export_native as export;
