//! `wasi:keyvalue`: a key-value store. All instances of a component share it, and so do components that are given the
//! same store.

mod file;
mod host;
mod memory;
#[cfg(feature = "redis")]
mod redis;

use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use crate::Error;
use file::FileStore;
use memory::Memory;

pub(crate) use host::KeyValueView;

/// A key-value store for components, as `wasi:keyvalue` defines it: buckets by name, with values by key.
///
/// Every name opens a bucket, which need not be created first. An empty bucket uses no memory. All clones share one
/// store.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> Result<(), wayside_harness::Error> {
/// use wayside_harness::{Harness, KeyValue};
///
/// let store = KeyValue::memory();
/// store.set("default", "greeting", "hello").await?;
/// let app = Harness::build("my-crate").keyvalue(store.clone()).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct KeyValue(Arc<dyn Backend>);

type BackendFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// The storage of a [`KeyValue`].
trait Backend: fmt::Debug + Send + Sync {
    fn get_many<'a>(&'a self, bucket: &'a str, keys: &'a [String]) -> BackendFuture<'a, Vec<Option<Vec<u8>>>>;
    fn set_many<'a>(&'a self, bucket: &'a str, pairs: Vec<(String, Vec<u8>)>) -> BackendFuture<'a, ()>;
    fn delete_many<'a>(&'a self, bucket: &'a str, keys: &'a [String]) -> BackendFuture<'a, ()>;
    fn exists<'a>(&'a self, bucket: &'a str, key: &'a str) -> BackendFuture<'a, bool>;
    /// Returns the page of keys at a cursor, which is 0 for the first page.
    fn keys<'a>(&'a self, bucket: &'a str, cursor: u64) -> BackendFuture<'a, Page>;
    fn increment<'a>(&'a self, bucket: &'a str, key: &'a str, delta: u64) -> BackendFuture<'a, u64>;
}

/// The error of an operation, as text for the component.
#[derive(Debug)]
struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A page of keys, and the cursor of the next page, if there is one.
type Page = (Vec<String>, Option<u64>);

impl KeyValue {
    /// Makes an empty store in the memory of this process, for at most 64 MiB of keys and values. Dropping the last
    /// clone deletes the data.
    #[must_use]
    pub fn memory() -> Self {
        Self(Arc::new(Memory::default()))
    }

    /// Opens a store in a file, for at most 64 MiB of keys and values. The file is created if it does not exist, and
    /// keeps the data after the last clone is dropped. Only one process can have it open.
    ///
    /// Each change is written to the file before the component gets the result, so no change is lost when the process
    /// ends. A power failure can lose the last changes, because the system may write them to the disk later. The file
    /// has a line of JSON for each change.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or written, is in use, or has an invalid line; the error then names the line.
    pub fn file(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(Self(Arc::new(FileStore::open(path.as_ref())?)))
    }

    /// Returns the value of a key, if it exists.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be reached.
    pub async fn get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let values = self.0.get_many(bucket, &[key.to_owned()]).await.map_err(|failure| read_failed(key, &failure))?;
        Ok(values.into_iter().next().flatten())
    }

    /// Sets the value of a key.
    ///
    /// # Errors
    ///
    /// Fails if the store is full or cannot be reached.
    pub async fn set(&self, bucket: &str, key: &str, value: impl Into<Vec<u8>>) -> Result<(), Error> {
        self.0
            .set_many(bucket, vec![(key.to_owned(), value.into())])
            .await
            .map_err(|failure| Error::new(format!("cannot set `{key}`: {failure}")))
    }
}

fn read_failed(key: &str, failure: &Failure) -> Error {
    Error::new(format!("cannot read `{key}`: {failure}"))
}

impl Default for KeyValue {
    fn default() -> Self {
        Self::memory()
    }
}
