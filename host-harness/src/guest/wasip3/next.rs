//! Calls the next handler for middleware. The middleware imports that handler as if another component exported it.

use std::sync::Arc;

use http::uri::{Authority, PathAndQuery, Scheme};
use wasmtime::AsContextMut as _;
use wasmtime::component::{Accessor, Linker, Resource};
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode as WasiErrorCode;
use wasmtime_wasi_http::p3::{Request, Response};

use crate::guest::Guest;
use crate::guest::state::{InstanceState, is_for_whole_server};
use crate::message::body::Body;

/// Links a guest as the import `wasi:http/handler`.
pub(super) fn add_to_linker(linker: &mut Linker<InstanceState>, next: Guest) -> wasmtime::Result<()> {
    let next = Arc::new(next);
    linker.instance("wasi:http/handler@0.3.0")?.func_wrap_concurrent("handle", move |accessor, (request,)| {
        let next = Arc::clone(&next);
        Box::pin(async move { Ok((call(accessor, &next, request).await?,)) })
    })
}

type Called = Result<Resource<Response>, WasiErrorCode>;

async fn call(
    accessor: &Accessor<InstanceState>,
    next: &Guest,
    request: Resource<Request>,
) -> wasmtime::Result<Called> {
    let taken = accessor.with(|mut access| {
        let passed_on = access.data_mut().pass_on();
        let mut request = access.data_mut().http().table.delete(request)?;
        // Fills in the scheme and the authority, which middleware may leave out of a request that it creates.
        request.scheme.get_or_insert(Scheme::HTTP);
        request.authority.get_or_insert(Authority::from_static("localhost"));
        if is_for_whole_server(&request.method, request.path_with_query.as_ref()) {
            request.path_with_query = Some(PathAndQuery::from_static("*"));
        }
        // Always tells the middleware that its request has been transmitted, because the next component reports its own
        // failures.
        match request.into_http(access.as_context_mut(), std::future::ready(Ok(()))) {
            Ok((request, _)) => {
                let state = access.data_mut();
                wasmtime::error::Ok(Ok((request.map(|body| state.upload(body)), passed_on)))
            }
            Err(error) => error.downcast().map(Err),
        }
    })?;
    let (request, (tracked, passed_on)) = match taken {
        Ok(taken) => taken,
        Err(code) => return Ok(Err(code)),
    };
    let answer = next.handle_for(request, tracked).await;
    drop(passed_on);
    accessor.with(|mut access| {
        let view = access.data_mut().http();
        match answer {
            Ok(response) => {
                let (response, _) = Response::from_http(view.hooks, response.map(Body::into_guest));
                Ok(Ok(view.table.push(response)?))
            }
            Err(code) => Ok(Err(code)),
        }
    })
}
