//! Connections, each with a topic that was looked at, made anew when one may be broken.

use std::sync::Arc;

use fluvio::dataplane::link::ErrorCode;
use fluvio::{
    DeliverySemantic, Fluvio, FluvioClusterConfig, FluvioError, Isolation, ProducerError,
    RetryPolicy, TopicProducerConfigBuilder, TopicProducerPool,
};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::append::{BATCH_BYTES, LINGER};
use super::{Config, topic};
use crate::engine::CarrierError;

/// A connection to the controller and its SPUs.
pub(super) struct Session {
    pub(super) fluvio: Fluvio,
    /// Copies of the topic.
    pub(super) replication: u32,
    /// A fetch of this many bytes holds a whole segment.
    pub(super) fetch_bytes: i32,
    producer: tokio::sync::OnceCell<TopicProducerPool>,
}

impl Session {
    /// Connects and looks at the topic.
    pub(super) async fn connect(config: &Config) -> Result<Self, CarrierError> {
        let connecting = async {
            let cluster = FluvioClusterConfig::new(config.endpoint.clone());
            let fluvio = Fluvio::connect_with_config(&cluster)
                .await
                .map_err(|error| CarrierError::Unavailable { reason: error.to_string() })?;
            let found = topic::ready(&fluvio.admin().await, config).await?;
            let fetch = u64::from(found.segment_bytes) + 2 * BATCH_BYTES as u64;
            Ok(Self {
                fluvio,
                replication: found.replication,
                fetch_bytes: i32::try_from(fetch).unwrap_or(i32::MAX),
                producer: tokio::sync::OnceCell::new(),
            })
        };
        tokio::time::timeout(config.timeout, connecting).await.unwrap_or_else(|_| {
            let reason = format!("{} did not connect within {:?}", config.endpoint, config.timeout);
            Err(CarrierError::Unavailable { reason })
        })
    }

    /// The producer of this connection.
    pub(super) async fn producer(&self, topic: &str) -> Result<&TopicProducerPool, anyhow::Error> {
        self.producer
            .get_or_try_init(|| async {
                // A retry of the client would write twice, and behind what came after it.
                let once = RetryPolicy { max_retries: 0, ..RetryPolicy::default() };
                let config = TopicProducerConfigBuilder::default()
                    .batch_size(BATCH_BYTES)
                    .max_request_size(2 * BATCH_BYTES)
                    .linger(LINGER)
                    .isolation(Isolation::ReadCommitted)
                    .delivery_semantic(DeliverySemantic::AtLeastOnce(once))
                    .build()?;
                self.fluvio.topic_producer_with_config(topic.to_owned(), config).await
            })
            .await
    }
}

/// The connection for appends and looks at the end, as long as it is known to work.
pub(super) struct Sessions {
    config: Config,
    current: Mutex<Option<Arc<Session>>>,
}

impl Sessions {
    pub(super) fn new(config: Config) -> Self {
        Self { config, current: Mutex::new(None) }
    }

    /// The connection at hand, or another.
    pub(super) async fn get(&self) -> Result<Arc<Session>, CarrierError> {
        let mut current = self.current.lock().await;
        if let Some(session) = current.as_ref() {
            return Ok(Arc::clone(session));
        }
        let session = Arc::new(Session::connect(&self.config).await?);
        Ok(Arc::clone(current.insert(session)))
    }

    /// The next call makes another connection.
    pub(super) async fn forget(&self) {
        *self.current.lock().await = None;
    }
}

/// What went wrong with a call.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Nothing was done, and it may be soon: replicas are being loaded or moved.
    NotYet(String),
    /// Nothing was done, and it will not be.
    Refused(String),
    /// Nobody knows.
    Unknown(String),
}

impl Trouble {
    pub(super) fn code(code: &ErrorCode) -> Self {
        let reason = code.to_string();
        match code {
            ErrorCode::NotLeaderForPartition
            | ErrorCode::PartitionNotLeader
            | ErrorCode::PartitionPendingInitialization
            | ErrorCode::TopicPendingInitialization => Self::NotYet(reason),
            ErrorCode::TopicNotFound
            | ErrorCode::TopicDeleted
            | ErrorCode::MessageTooLarge
            | ErrorCode::PermissionDenied
            | ErrorCode::CompressionError => Self::Refused(reason),
            _ => Self::Unknown(reason),
        }
    }

    fn producer(error: &ProducerError) -> Self {
        match error {
            ProducerError::SpuErrorCode(code) => Self::code(code),
            ProducerError::RecordTooLarge(..) => Self::Refused(error.to_string()),
            other => Self::Unknown(other.to_string()),
        }
    }

    pub(super) fn client(error: &FluvioError) -> Self {
        match error {
            FluvioError::Producer(error) => Self::producer(error),
            other => Self::Unknown(other.to_string()),
        }
    }

    pub(super) fn any(error: &anyhow::Error) -> Self {
        if let Some(error) = error.downcast_ref::<FluvioError>() {
            Self::client(error)
        } else if let Some(error) = error.downcast_ref::<ProducerError>() {
            Self::producer(error)
        } else if let Some(code) = error.downcast_ref::<ErrorCode>() {
            Self::code(code)
        } else {
            Self::Unknown(error.to_string())
        }
    }
}

/// When a call has to be over.
pub(super) fn deadline(config: &Config) -> Instant {
    Instant::now() + config.timeout
}
