//! The behaviours that the tests request over HTTP. Each has its own file; the first segment of the path selects one.
//!
//! All behaviours are in one component, because building a component for each would take longer than all tests.

use wayside::{IntoResponse, Request, Response, StatusCode, http_component};

/// Declares the behaviours and selects one by its name, with `-` for `_`.
macro_rules! behaviours {
    ($($name:ident)*) => {
        $(mod $name;)*

        async fn run(name: &str, request: Request) -> Response {
            $(if name == stringify!($name).replace('_', "-") {
                return $name::handle(request).await.into_response();
            })*
            (StatusCode::NOT_FOUND, format!("no behaviour `{name}`\n")).into_response()
        }
    };
}

behaviours! {
    added_trailers
    as_asked
    asterisk
    at_once
    back
    blocking
    body_fails
    body_faults
    busy
    call
    call_each
    channel
    chunks
    cut_upload
    deadline
    deadlock
    early_drop
    early_end
    endless
    error
    error_headers
    error_status
    field_bytes
    fields
    forbidden_fields
    half_read
    hang_up
    inline_waker
    length
    limited
    memory
    nested_waker
    mirror
    own_fields
    own_request
    panic_after_head
    panic_before_head
    print
    recursion
    relay
    repeated
    rest_of_body
    self_waking
    shared_call
    sleep
    spawned
    spin
    status
    surroundings
    tasks
    trailers
    trap
    trap_after_end
    trap_after_head
    upstream_json
    visit
    whole
    work_after
}

#[http_component]
async fn handle(request: Request) -> Response {
    // A header selects the behaviour `mirror`, because its tests send any path.
    if request.headers().contains_key("x-mirror-status") {
        return mirror::handle(request).await;
    }
    let name = request.uri().path().split('/').nth(1).unwrap_or_default().to_owned();
    run(&name, request).await
}

/// Returns the second segment of the path.
fn parameter(request: &Request) -> String {
    request.uri().path().split('/').nth(2).unwrap_or_default().to_owned()
}
