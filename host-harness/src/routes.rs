//! Several components behind one server, by path prefix.

use std::fmt;
use std::sync::Arc;

use http::{Request, StatusCode};
use tokio::net::ToSocketAddrs;

use crate::head;
use crate::head::refused;
use crate::inbound::Inbound;
use crate::message::body::Body;
use crate::message::problem::problem;
use crate::telemetry::{Observer, Recorder};
use crate::{Error, Event, Harness, ServerBuilder};

/// Several components behind one server. Each request goes to the component with the longest matching path prefix.
///
/// A prefix ends at the end of a path segment: `/api` matches `/api`, `/api/` and `/api/users`, but not `/apis`. Paths
/// are compared as sent, and reach the component unchanged. A path without a match gets 404.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> Result<(), wayside_harness::Error> {
/// use wayside_harness::{Harness, Routes};
///
/// let (api, pages) = (Harness::build("api").await?, Harness::build("pages").await?);
/// let server = Routes::new().add("/api", &api)?.add("/", &pages)?.serve("127.0.0.1:0").await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Routes {
    /// The components by path prefix, the longest first. A prefix has no slash at its end, so the prefix `/` is stored
    /// as an empty string.
    routes: Vec<(String, Inbound)>,
    observer: Option<Observer>,
}

impl Routes {
    /// Makes an empty list of routes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a component for the paths that begin with a prefix.
    ///
    /// # Errors
    ///
    /// Fails if the prefix does not start with a slash, contains `?`, `#` or a space, or belongs to another component.
    pub fn add(self, prefix: &str, app: &Harness) -> Result<Self, Error> {
        self.add_inbound(prefix, app.inbound())
    }

    /// Adds a crate that is served while it is edited.
    ///
    /// # Errors
    ///
    /// Fails in the same cases as [`add`](Self::add).
    #[cfg(feature = "live")]
    pub fn add_live(self, prefix: &str, app: &crate::Live) -> Result<Self, Error> {
        self.add_inbound(prefix, app.inbound())
    }

    fn add_inbound(mut self, prefix: &str, inbound: Inbound) -> Result<Self, Error> {
        let trimmed = prefix.trim_end_matches('/');
        if !prefix.starts_with('/') || trimmed.contains(['?', '#', ' ']) {
            return Err(Error::new(format!("`{prefix}` is no route"))
                .with_help("write the beginning of a path, as `/` or `/api`, without `?` and `#`"));
        }
        if self.routes.iter().any(|(other, _)| other == trimmed) {
            return Err(Error::new(format!("two components have the route `{prefix}`"))
                .with_help("give each component a route of its own"));
        }
        self.routes.push((trimmed.to_owned(), inbound));
        self.routes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(self)
    }

    /// Sets a function that is called with every event of a request that matches no component.
    #[must_use]
    pub fn observe(mut self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.observer = Some(Observer(Arc::new(observer)));
        self
    }

    /// Serves the components over a socket, once the builder is awaited. Port 0 selects a free one; [`Server::addr`]
    /// returns it.
    ///
    /// # Errors
    ///
    /// Awaiting the builder fails if the harness cannot listen on the address.
    ///
    /// [`Server::addr`]: crate::Server::addr
    pub fn serve<'a>(&self, addr: impl ToSocketAddrs + fmt::Display + Send + 'a) -> ServerBuilder<'a> {
        let recorder = Recorder::new(false, self.observer.clone());
        let routes: Arc<[(String, Inbound)]> = self.routes.clone().into();
        let nobody: Arc<str> = "".into();
        let inbound = Inbound::new(move |mut request: Request<Body>| {
            let (routes, recorder, nobody) = (Arc::clone(&routes), recorder.clone(), Arc::clone(&nobody));
            async move {
                if let Some(inbound) = find(&routes, request.uri().path()) {
                    return inbound.handle(request).await;
                }
                let response = match head::accept(&mut request) {
                    Ok(()) => problem(StatusCode::NOT_FOUND, Some("no component has a route for this path")),
                    Err(refusal) => refused(&refusal),
                };
                Arc::clone(&recorder.start(&request, &nobody).tracked).answered(response)
            }
        });
        ServerBuilder::new(addr, inbound)
    }
}

/// Returns the value of the longest matching prefix.
fn find<'a, T>(routes: &'a [(String, T)], path: &str) -> Option<&'a T> {
    let found = routes.iter().find(|(prefix, _)| {
        path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    found.or_else(|| routes.last().filter(|(prefix, _)| prefix.is_empty())).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn the_longest_prefix_wins_at_the_end_of_a_segment() {
        let routes = ["/api/users", "/api", ""].map(|prefix| (prefix.to_owned(), prefix));
        for (path, prefix) in [
            ("/api/users", "/api/users"),
            ("/api/users/1", "/api/users"),
            ("/api/usersandmore", "/api"),
            ("/api", "/api"),
            ("/api/", "/api"),
            ("/apis", ""),
            ("/", ""),
            ("/x", ""),
            ("*", ""),
        ] {
            assert_eq!(find(&routes, path), Some(&prefix), "{path}");
        }
        assert_eq!(find(&routes[..2], "/apis"), None);
        assert_eq!(find(&routes[..2], "*"), None);
    }
}
