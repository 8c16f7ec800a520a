//! A key-value store on a Redis server. Each bucket is a Redis hash.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult};
use tokio::sync::Mutex;

use super::{Backend, BackendFuture, Failure, KeyValue, Page};
use crate::Error;

/// The time limit for connecting, and for a reply.
const PATIENCE: Duration = Duration::from_secs(5);
/// The approximate number of keys in a page.
const PAGE: usize = 1000;

impl KeyValue {
    /// Connects to a Redis server at `redis://[user:password@]host[:port][/database]`.
    ///
    /// A bucket is a Redis hash with the name `wayside:BUCKET`. Redis numbers are signed and have 64 bits, so
    /// `increment` fails beyond 2^63 - 1. A broken connection is replaced at the next operation.
    ///
    /// # Errors
    ///
    /// Fails if the URL is not valid, or the server does not answer within 5 seconds.
    pub async fn redis(url: &str) -> Result<Self, Error> {
        Ok(Self(Arc::new(Redis::connect(url).await?)))
    }
}

struct Redis {
    client: Client,
    /// The connection that all operations share. `None` if it has not been opened yet, or has broken.
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Redis {
    async fn connect(url: &str) -> Result<Self, Error> {
        // The URL may contain a password, so messages show only the host.
        let shown = url.rsplit_once('@').map_or(url, |(_, server)| server);
        let client = Client::open(url).map_err(|error| {
            Error::new(format!("`{shown}` names no Redis server"))
                .with_help("write `redis://host:port`; TLS (`rediss`) is not supported")
                .with_source(error)
        })?;
        let redis = Self { client, connection: Mutex::default() };
        let answer: Result<String, Failure> = redis.run(&redis::cmd("PING")).await;
        answer.map_err(|failure| {
            Error::new(format!("cannot reach the Redis server `{shown}`: {failure}"))
                .with_help("start the server, or check host, port and password; `memory` needs no server")
        })?;
        Ok(redis)
    }

    async fn connection(&self) -> RedisResult<MultiplexedConnection> {
        let mut kept = self.connection.lock().await;
        if let Some(connection) = &*kept {
            return Ok(connection.clone());
        }
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(PATIENCE)).set_response_timeout(Some(PATIENCE));
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(kept.insert(connection).clone())
    }

    async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Failure> {
        let answer = async { command.query_async(&mut self.connection().await?).await };
        match answer.await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                if error.is_io_error() || error.is_unrecoverable_error() {
                    *self.connection.lock().await = None;
                }
                Err(failure(&error))
            }
        }
    }
}

impl Backend for Redis {
    fn get_many<'a>(&'a self, bucket: &'a str, keys: &'a [String]) -> BackendFuture<'a, Vec<Option<Vec<u8>>>> {
        Box::pin(async move {
            if keys.is_empty() {
                return Ok(Vec::new());
            }
            self.run(redis::cmd("HMGET").arg(hash(bucket)).arg(keys)).await
        })
    }

    fn set_many<'a>(&'a self, bucket: &'a str, pairs: Vec<(String, Vec<u8>)>) -> BackendFuture<'a, ()> {
        Box::pin(async move {
            if pairs.is_empty() {
                return Ok(());
            }
            let mut command = redis::cmd("HSET");
            command.arg(hash(bucket));
            for (key, value) in &pairs {
                command.arg(key).arg(value.as_slice());
            }
            self.run(&command).await
        })
    }

    fn delete_many<'a>(&'a self, bucket: &'a str, keys: &'a [String]) -> BackendFuture<'a, ()> {
        Box::pin(async move {
            if keys.is_empty() {
                return Ok(());
            }
            self.run(redis::cmd("HDEL").arg(hash(bucket)).arg(keys)).await
        })
    }

    fn exists<'a>(&'a self, bucket: &'a str, key: &'a str) -> BackendFuture<'a, bool> {
        Box::pin(async move { self.run(redis::cmd("HEXISTS").arg(hash(bucket)).arg(key)).await })
    }

    fn keys<'a>(&'a self, bucket: &'a str, cursor: u64) -> BackendFuture<'a, Page> {
        Box::pin(async move {
            let mut command = redis::cmd("HSCAN");
            command.arg(hash(bucket)).arg(cursor).arg("COUNT").arg(PAGE);
            let (next, pairs): (u64, Vec<Vec<u8>>) = self.run(&command).await?;
            let keys = pairs.into_iter().step_by(2).map(|key| String::from_utf8_lossy(&key).into_owned());
            Ok((keys.collect(), (next != 0).then_some(next)))
        })
    }

    fn increment<'a>(&'a self, bucket: &'a str, key: &'a str, delta: u64) -> BackendFuture<'a, u64> {
        Box::pin(async move {
            let delta = i64::try_from(delta).map_err(|_| Failure("Redis adds 2^63 - 1 at most".to_owned()))?;
            let sum: i64 = self.run(redis::cmd("HINCRBY").arg(hash(bucket)).arg(key).arg(delta)).await?;
            u64::try_from(sum).map_err(|_| Failure(format!("the value of `{key}` is below zero")))
        })
    }
}

fn hash(bucket: &str) -> String {
    format!("wayside:{bucket}")
}

fn failure(error: &RedisError) -> Failure {
    let text = error.to_string();
    Failure(match error.kind() {
        ErrorKind::Io => format!("the connection to Redis failed: {text}"),
        _ => text,
    })
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Leaves out the client, which contains the password.
        f.debug_struct("Redis").finish_non_exhaustive()
    }
}
