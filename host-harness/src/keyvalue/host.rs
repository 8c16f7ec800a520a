//! The functions of `wasi:keyvalue` that components import.

use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

use super::{Failure, KeyValue};
use crate::bindings::wasi::keyvalue::{atomics, batch, store};
use crate::bindings::{Bucket, CallError};

/// The store and the open buckets of an instance.
pub(crate) struct KeyValueView<'a> {
    pub(crate) store: &'a KeyValue,
    pub(crate) table: &'a mut ResourceTable,
}

impl From<Failure> for CallError {
    fn from(Failure(text): Failure) -> Self {
        Self::Told(store::Error::Other(text))
    }
}

struct Views;

impl HasData for Views {
    type Data<'a> = KeyValueView<'a>;
}

impl KeyValueView<'_> {
    /// Adds the functions of `wasi:keyvalue` to a linker.
    pub(crate) fn add_to_linker<T: Send + 'static>(
        linker: &mut Linker<T>,
        view: fn(&mut T) -> KeyValueView<'_>,
    ) -> wasmtime::Result<()> {
        store::add_to_linker::<T, Views>(linker, view)?;
        atomics::add_to_linker::<T, Views>(linker, view)?;
        batch::add_to_linker::<T, Views>(linker, view)
    }

    fn name(&self, bucket: &Resource<Bucket>) -> Result<&str, CallError> {
        Ok(&self.table.get(bucket)?.0)
    }
}

impl store::Host for KeyValueView<'_> {
    async fn open(&mut self, identifier: String) -> Result<Resource<Bucket>, CallError> {
        Ok(self.table.push(Bucket(identifier))?)
    }

    fn convert_error(&mut self, error: CallError) -> wasmtime::Result<store::Error> {
        match error {
            CallError::Told(error) => Ok(error),
            CallError::Trap(error) => Err(error.into()),
        }
    }
}

impl store::HostBucket for KeyValueView<'_> {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Option<Vec<u8>>, CallError> {
        let values = self.store.0.get_many(self.name(&bucket)?, &[key]).await?;
        Ok(values.into_iter().next().flatten())
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Result<(), CallError> {
        Ok(self.store.0.set_many(self.name(&bucket)?, vec![(key, value)]).await?)
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Result<(), CallError> {
        Ok(self.store.0.delete_many(self.name(&bucket)?, &[key]).await?)
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Result<bool, CallError> {
        Ok(self.store.0.exists(self.name(&bucket)?, &key).await?)
    }

    async fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<u64>,
    ) -> Result<store::KeyResponse, CallError> {
        let (keys, cursor) = self.store.0.keys(self.name(&bucket)?, cursor.unwrap_or_default()).await?;
        Ok(store::KeyResponse { keys, cursor })
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for KeyValueView<'_> {
    async fn increment(&mut self, bucket: Resource<Bucket>, key: String, delta: u64) -> Result<u64, CallError> {
        Ok(self.store.0.increment(self.name(&bucket)?, &key, delta).await?)
    }
}

impl batch::Host for KeyValueView<'_> {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Result<Vec<Option<(String, Vec<u8>)>>, CallError> {
        let values = self.store.0.get_many(self.name(&bucket)?, &keys).await?;
        Ok(keys.into_iter().zip(values).map(|(key, value)| Some((key, value?))).collect())
    }

    async fn set_many(&mut self, bucket: Resource<Bucket>, pairs: Vec<(String, Vec<u8>)>) -> Result<(), CallError> {
        Ok(self.store.0.set_many(self.name(&bucket)?, pairs).await?)
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Result<(), CallError> {
        Ok(self.store.0.delete_many(self.name(&bucket)?, &keys).await?)
    }
}
