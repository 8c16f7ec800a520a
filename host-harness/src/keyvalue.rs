//! `wasi:keyvalue`: values by keys, shared by all instances of a component and by all that are given the same store.

mod host;
mod memory;
mod redis;

use std::fmt;
use std::sync::Arc;

use crate::Error;
use memory::Memory;
use redis::Redis;

pub(crate) use host::KeyValueView;
#[expect(unreachable_pub, reason = "the generated bindings name them, which are public to themselves")]
pub use host::{Bucket, CallError};

/// A store for components, as `wasi:keyvalue` has it: buckets by name, and in each of them values by keys.
///
/// Every name opens a bucket; one that holds nothing takes no room. Clones are the same store.
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
pub struct KeyValue(Backend);

#[derive(Clone, Debug)]
enum Backend {
    Memory(Arc<Memory>),
    Redis(Arc<Redis>),
}

/// Why an operation failed, in words for the component.
#[derive(Debug)]
struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A page of keys, and where the next one begins.
type Page = (Vec<String>, Option<u64>);

impl KeyValue {
    /// Makes an empty store in the memory of this process: 64 MiB of keys and values at most, gone with the last clone.
    #[must_use]
    pub fn memory() -> Self {
        Self(Backend::Memory(Arc::default()))
    }

    /// Connects to a Redis server, as `redis://[user:password@]host[:port][/database]`.
    ///
    /// A bucket is a hash of Redis with the name `wayside:BUCKET`. Its numbers have 64 bits with a sign, so that
    /// `increment` fails beyond 2^63 - 1. A connection that breaks is made anew for the operation after it.
    ///
    /// # Errors
    ///
    /// Fails if the URL is not valid, or the server does not answer within 5 seconds.
    pub async fn redis(url: &str) -> Result<Self, Error> {
        Ok(Self(Backend::Redis(Arc::new(Redis::connect(url).await?))))
    }

    /// The value of a key, if there is one.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be reached.
    pub async fn get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let values = self.get_many(bucket, &[key.to_owned()]).await.map_err(|failure| read_failed(key, &failure))?;
        Ok(values.into_iter().next().flatten())
    }

    /// Sets the value of a key.
    ///
    /// # Errors
    ///
    /// Fails if the store is full or cannot be reached.
    pub async fn set(&self, bucket: &str, key: &str, value: impl Into<Vec<u8>>) -> Result<(), Error> {
        self.set_many(bucket, vec![(key.to_owned(), value.into())])
            .await
            .map_err(|failure| Error::new(format!("cannot set `{key}`: {failure}")))
    }

    async fn get_many(&self, bucket: &str, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        match &self.0 {
            Backend::Memory(memory) => Ok(memory.get_many(bucket, keys)),
            Backend::Redis(redis) => redis.get_many(bucket, keys).await,
        }
    }

    async fn set_many(&self, bucket: &str, pairs: Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
        match &self.0 {
            Backend::Memory(memory) => memory.set_many(bucket, pairs),
            Backend::Redis(redis) => redis.set_many(bucket, &pairs).await,
        }
    }

    async fn delete_many(&self, bucket: &str, keys: &[String]) -> Result<(), Failure> {
        match &self.0 {
            Backend::Memory(memory) => {
                memory.delete_many(bucket, keys);
                Ok(())
            }
            Backend::Redis(redis) => redis.delete_many(bucket, keys).await,
        }
    }

    async fn exists(&self, bucket: &str, key: &str) -> Result<bool, Failure> {
        match &self.0 {
            Backend::Memory(memory) => Ok(memory.exists(bucket, key)),
            Backend::Redis(redis) => redis.exists(bucket, key).await,
        }
    }

    async fn keys(&self, bucket: &str, cursor: u64) -> Result<Page, Failure> {
        match &self.0 {
            Backend::Memory(memory) => Ok(memory.keys(bucket, cursor)),
            Backend::Redis(redis) => redis.keys(bucket, cursor).await,
        }
    }

    async fn increment(&self, bucket: &str, key: String, delta: u64) -> Result<u64, Failure> {
        match &self.0 {
            Backend::Memory(memory) => memory.increment(bucket, key, delta),
            Backend::Redis(redis) => redis.increment(bucket, &key, delta).await,
        }
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
