//! A key-value store in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Backend, BackendFuture, Failure, Page};

/// The most memory for keys, values and their overhead, in bytes.
const LIMIT_BYTES: usize = 64 * 1024 * 1024;
/// The approximate overhead of an entry, in bytes.
const ENTRY_BYTES: usize = 64;
/// The number of keys in a page.
const PAGE: usize = 1000;

#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Buckets>);

#[derive(Debug, Default)]
struct Buckets {
    buckets: HashMap<String, BTreeMap<String, Vec<u8>>>,
    bytes: usize,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Buckets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get_many(&self, bucket: &str, keys: &[String]) -> Vec<Option<Vec<u8>>> {
        let buckets = self.lock();
        let bucket = buckets.buckets.get(bucket);
        keys.iter().map(|key| bucket.and_then(|bucket| bucket.get(key)).cloned()).collect()
    }

    pub(super) fn set_many(&self, bucket: &str, pairs: Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
        let mut buckets = self.lock();
        pairs.into_iter().try_for_each(|(key, value)| buckets.set(bucket, key, value))
    }

    pub(super) fn delete_many(&self, bucket: &str, keys: &[String]) {
        let mut buckets = self.lock();
        keys.iter().for_each(|key| buckets.delete(bucket, key));
    }

    /// Returns the number of entries.
    pub(super) fn len(&self) -> usize {
        self.lock().buckets.values().map(BTreeMap::len).sum()
    }

    /// Copies all entries: bucket, key and value.
    pub(super) fn entries(&self) -> impl Iterator<Item = (String, String, Vec<u8>)> {
        let buckets = self.lock();
        let entries = buckets.buckets.iter().flat_map(|(bucket, entries)| {
            entries.iter().map(move |(key, value)| (bucket.clone(), key.clone(), value.clone()))
        });
        entries.collect::<Vec<_>>().into_iter()
    }

    fn exists(&self, bucket: &str, key: &str) -> bool {
        self.lock().buckets.get(bucket).is_some_and(|bucket| bucket.contains_key(key))
    }

    /// Returns a page of keys. The cursor is the number of keys before the page.
    fn keys(&self, bucket: &str, cursor: u64) -> Page {
        let buckets = self.lock();
        let Some(bucket) = buckets.buckets.get(bucket) else { return Page::default() };
        let start = usize::try_from(cursor).unwrap_or(usize::MAX);
        let keys: Vec<String> = bucket.keys().skip(start).take(PAGE).cloned().collect();
        let end = start.saturating_add(keys.len());
        let next = (end < bucket.len()).then_some(end as u64);
        (keys, next)
    }

    pub(super) fn increment(&self, bucket: &str, key: &str, delta: u64) -> Result<u64, Failure> {
        let mut buckets = self.lock();
        let value = buckets.buckets.get(bucket).and_then(|bucket| bucket.get(key));
        let number = match value {
            None => 0,
            Some(value) => std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse::<u64>().ok())
                .ok_or_else(|| Failure(format!("the value of `{key}` is no number")))?,
        };
        let sum = number
            .checked_add(delta)
            .ok_or_else(|| Failure(format!("the sum for `{key}` does not fit into 64 bits")))?;
        buckets.set(bucket, key.to_owned(), sum.to_string().into_bytes())?;
        Ok(sum)
    }
}

impl Backend for Memory {
    fn get_many<'a>(&'a self, bucket: &'a str, keys: &'a [String]) -> BackendFuture<'a, Vec<Option<Vec<u8>>>> {
        Box::pin(async move { Ok(self.get_many(bucket, keys)) })
    }

    fn set_many<'a>(&'a self, bucket: &'a str, pairs: Vec<(String, Vec<u8>)>) -> BackendFuture<'a, ()> {
        Box::pin(async move { self.set_many(bucket, pairs) })
    }

    fn delete_many<'a>(&'a self, bucket: &'a str, keys: &'a [String]) -> BackendFuture<'a, ()> {
        Box::pin(async move {
            self.delete_many(bucket, keys);
            Ok(())
        })
    }

    fn exists<'a>(&'a self, bucket: &'a str, key: &'a str) -> BackendFuture<'a, bool> {
        Box::pin(async move { Ok(self.exists(bucket, key)) })
    }

    fn keys<'a>(&'a self, bucket: &'a str, cursor: u64) -> BackendFuture<'a, Page> {
        Box::pin(async move { Ok(self.keys(bucket, cursor)) })
    }

    fn increment<'a>(&'a self, bucket: &'a str, key: &'a str, delta: u64) -> BackendFuture<'a, u64> {
        Box::pin(async move { self.increment(bucket, key, delta) })
    }
}

impl Buckets {
    fn set(&mut self, bucket: &str, key: String, value: Vec<u8>) -> Result<(), Failure> {
        let old = self.buckets.get(bucket).and_then(|bucket| bucket.get(&key));
        let freed = old.map_or(0, |old| entry_bytes(&key, old));
        let bytes = self.bytes - freed + entry_bytes(&key, &value);
        if bytes > LIMIT_BYTES {
            return Err(Failure(format!("the store is full: it holds {} MiB at most", LIMIT_BYTES >> 20)));
        }
        self.bytes = bytes;
        match self.buckets.get_mut(bucket) {
            Some(bucket) => bucket.insert(key, value),
            None => self.buckets.entry(bucket.to_owned()).or_default().insert(key, value),
        };
        Ok(())
    }

    fn delete(&mut self, bucket: &str, key: &str) {
        let Some(entries) = self.buckets.get_mut(bucket) else { return };
        if let Some(value) = entries.remove(key) {
            self.bytes -= entry_bytes(key, &value);
        }
        if entries.is_empty() {
            self.buckets.remove(bucket);
        }
    }
}

fn entry_bytes(key: &str, value: &[u8]) -> usize {
    key.len() + value.len() + ENTRY_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(keys: impl IntoIterator<Item = usize>) -> Vec<(String, Vec<u8>)> {
        keys.into_iter().map(|key| (format!("{key:05}"), vec![0; 10])).collect()
    }

    #[test]
    fn pages_of_keys_follow_each_other() {
        let memory = Memory::default();
        memory.set_many("b", pairs(0..2500)).unwrap();
        let (mut all, mut cursor, mut pages) = (Vec::new(), Some(0), 0);
        while let Some(start) = cursor {
            let (keys, next) = memory.keys("b", start);
            all.extend(keys);
            cursor = next;
            pages += 1;
        }
        assert_eq!((all.len(), pages), (2500, 3));
        assert_eq!(memory.keys("b", u64::MAX), (Vec::new(), None));
        assert_eq!(memory.keys("other", 0), (Vec::new(), None));
    }

    #[test]
    fn room_that_is_given_back_can_be_used_again() {
        let memory = Memory::default();
        let big = || vec![0; LIMIT_BYTES - 1000];
        memory.set_many("b", vec![("k".into(), big())]).unwrap();
        memory.set_many("b", vec![("k".into(), big())]).unwrap();
        assert!(memory.set_many("b", vec![("l".into(), big())]).is_err());
        memory.delete_many("b", &["k".into()]);
        memory.set_many("c", vec![("l".into(), big())]).unwrap();
        memory.delete_many("c", &["l".into()]);
        assert_eq!(memory.lock().bytes, 0);
    }

    #[test]
    fn what_is_no_number_or_too_large_cannot_be_incremented() {
        let memory = Memory::default();
        memory.set_many("b", vec![("text".into(), b"x".to_vec())]).unwrap();
        assert!(memory.increment("b", "text", 1).is_err());
        assert_eq!(memory.increment("b", "n", u64::MAX).unwrap(), u64::MAX);
        assert!(memory.increment("b", "n", 1).is_err());
    }
}
