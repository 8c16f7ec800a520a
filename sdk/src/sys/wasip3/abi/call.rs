//! Asynchronous calls of host functions and of other components.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, ready};

use super::{value, waitable};
use crate::sys::wasip3::bindings::wasi::http::types::{ErrorCode, Request, Response};

#[link(wasm_import_module = "$root")]
unsafe extern "C" {
    #[link_name = "[subtask-cancel]"]
    fn subtask_cancel(subtask: u32) -> u32;
    #[link_name = "[subtask-drop]"]
    fn subtask_drop(subtask: u32);
}

#[link(wasm_import_module = "wasi:clocks/monotonic-clock@0.3.0")]
unsafe extern "C" {
    #[link_name = "[async-lower]wait-until"]
    fn wait_until(when: i64) -> u32;
}

#[link(wasm_import_module = "wasi:http/client@0.3.0")]
unsafe extern "C" {
    #[link_name = "[async-lower]send"]
    fn send(request: u32, result: *mut u8) -> u32;
}

#[link(wasm_import_module = "wasi:http/handler@0.3.0")]
unsafe extern "C" {
    /// Only components that pass requests on contain this import, because unused imports are not linked.
    #[link_name = "[async-lower]handle"]
    fn handle(request: u32, result: *mut u8) -> u32;
}

/// A call in progress.
struct Call {
    /// The handle of the call; 0 once the call has ended.
    subtask: u32,
    /// Whether the callee has taken the arguments of the call.
    started: bool,
    returned: bool,
}

const STARTED: u32 = 1;
const RETURNED: u32 = 2;
const CANCELLED_BEFORE_START: u32 = 3;

impl Call {
    /// Makes a call from the result that the import returns at once: the handle and the status of the call.
    fn new(packed: u32) -> Self {
        let mut call = Self { subtask: packed >> 4, started: false, returned: false };
        call.update(packed & 0xf);
        call
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.subtask != 0 {
            let status = ready!(waitable::poll(self.subtask, cx));
            self.update(status);
        }
        Poll::Ready(())
    }

    fn update(&mut self, status: u32) {
        self.started |= status != 0 && status != CANCELLED_BEFORE_START;
        self.returned = status == RETURNED;
        if status > STARTED && self.subtask != 0 {
            let subtask = mem::take(&mut self.subtask);
            waitable::forget(subtask);
            // SAFETY: the call is over, and its handle is not used again.
            unsafe { subtask_drop(subtask) };
        }
    }

    /// Cancels the call if it is not over.
    fn cancel(&mut self) {
        if self.subtask == 0 {
            return;
        }
        if let Some(status) = waitable::withdraw(self.subtask) {
            self.update(status);
        }
        if self.subtask != 0 {
            // SAFETY: the call is in progress, and over when this returns.
            let status = unsafe { subtask_cancel(self.subtask) };
            self.update(status);
        }
    }
}

/// A future that completes at a given time of the monotonic clock.
pub(in crate::sys::wasip3) struct Wait(Call);

impl Wait {
    pub(in crate::sys::wasip3) fn new(when: u64) -> Self {
        // SAFETY: the signature is that of the import.
        Self(Call::new(unsafe { wait_until(when as i64) }))
    }
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(cx)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// A request in flight, until its response arrives.
pub(in crate::sys::wasip3) struct OutboundCall {
    call: Call,
    /// The handle of the request. The callee owns it once the call has started.
    request: u32,
    /// The memory of the result, made by [`value::allocate`]. The memory is freed only after the end of the call, and
    /// the field is `None` from then on.
    result: Option<NonNull<u8>>,
}

// SAFETY: the result is on the heap, and only the host uses it until the call is over.
unsafe impl Send for OutboundCall {}

impl OutboundCall {
    /// Sends a request to a server.
    pub(in crate::sys::wasip3) fn with_server(request: Request) -> Self {
        // SAFETY: `send` is an import with the signature that `start` requires.
        unsafe { Self::start(request, send) }
    }

    /// Passes a request on to the next handler.
    pub(in crate::sys::wasip3) fn with_next(request: Request) -> Self {
        // SAFETY: `handle` is an import with the signature that `start` requires.
        unsafe { Self::start(request, handle) }
    }

    /// # Safety
    ///
    /// `import` must be an imported function that takes a request and writes its result, a response or an error code,
    /// to the address.
    unsafe fn start(request: Request, import: unsafe extern "C" fn(u32, *mut u8) -> u32) -> Self {
        let request = request.take_handle();
        let result = value::allocate();
        // SAFETY: the memory at `result` is large enough, and is not freed before the end of the call (see `drop`).
        let packed = unsafe { import(request, result.as_ptr()) };
        Self { call: Call::new(packed), request, result: Some(result) }
    }
}

impl Future for OutboundCall {
    type Output = Result<Response, ErrorCode>;

    #[expect(
        clippy::expect_used,
        reason = "a future is not polled after its end; reading the result twice would be unsound"
    )]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(self.call.poll(cx));
        let result = self.result.take().expect("an outbound call is not polled after its end");
        // SAFETY: the call is over, so the host has written the result, and it is read once.
        Poll::Ready(unsafe { value::lift_response(result) })
    }
}

impl Drop for OutboundCall {
    fn drop(&mut self) {
        let Some(result) = self.result.take() else { return };
        self.call.cancel();
        if self.call.returned {
            // SAFETY: the call is over, and the host has written the result, which is read once.
            drop(unsafe { value::lift_response(result) });
            return;
        }
        if !self.call.started {
            // SAFETY: the callee has not taken the request, so the component still owns it.
            drop(unsafe { Request::from_handle(self.request) });
        }
        // SAFETY: the call is over, and the host has written nothing.
        unsafe { value::free(result) };
    }
}
