//! The topic: made so that it loses nothing, and refused when it would.

use std::time::Duration;

use fluvio::FluvioAdmin;
use fluvio::metadata::partition::PartitionSpec;
use fluvio::metadata::topic::{
    CleanupPolicy, CompressionAlgorithm, ReplicaSpec, SegmentBasedPolicy, TopicSpec,
    TopicStorageConfig,
};

use super::{Config, SEGMENT_BYTES_MAX};
use crate::engine::CarrierError;

/// Retention of topics made here, s: the longest there is, 136 years.
const RETENTION_S: u32 = u32::MAX;
/// Shortest retention taken, s: 100 years of 365.25 days.
const RETENTION_S_MIN: u32 = 3_155_760_000;
/// Largest partition of topics made here, bytes: more than any disk.
const PARTITION_BYTES: u64 = 1 << 60;
/// Smallest limit of the partition taken, bytes: 1 PiB.
const PARTITION_BYTES_MIN: u64 = 1 << 50;
/// Segment size of a topic that says nothing, bytes (`SPU_LOG_SEGMENT_MAX_BYTES` of Fluvio 0.18).
const SEGMENT_BYTES_UNSET: u32 = 1 << 30;
/// Between two looks whether a new topic is ready.
const PAUSE: Duration = Duration::from_millis(50);

/// What a session has to know of its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Segment size, bytes.
    pub(super) segment_bytes: u32,
    /// Copies.
    pub(super) replication: u32,
}

fn refused(reason: String) -> CarrierError {
    CarrierError::Refused { reason }
}

fn unavailable(error: impl std::fmt::Display) -> CarrierError {
    CarrierError::Unavailable { reason: error.to_string() }
}

/// Finds the topic, makes it if it is to be made, and waits until its partition is online. The caller limits
/// the time.
pub(super) async fn ready(admin: &FluvioAdmin, config: &Config) -> Result<Found, CarrierError> {
    let found = match find(admin, &config.topic).await? {
        Some(spec) => check(&config.topic, &spec)?,
        None if config.create => {
            // Somebody else may make it at the same moment; what is there is looked at either way.
            let made = admin.create(config.topic.clone(), false, wanted(config)).await;
            loop {
                match (find(admin, &config.topic).await?, &made) {
                    (Some(spec), _) => break check(&config.topic, &spec)?,
                    (None, Err(error)) => {
                        let reason = format!("topic {} cannot be made: {error}", config.topic);
                        return Err(refused(reason));
                    }
                    (None, Ok(())) => tokio::time::sleep(PAUSE).await,
                }
            }
        }
        None => return Err(refused(format!("there is no topic {}", config.topic))),
    };
    while !online(admin, &config.topic).await? {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(found)
}

async fn find(admin: &FluvioAdmin, topic: &str) -> Result<Option<TopicSpec>, CarrierError> {
    // Names are compared here: what the list's filter compares is not said.
    let topics = admin.all::<TopicSpec>().await.map_err(unavailable)?;
    Ok(topics.into_iter().find(|it| it.name == topic).map(|it| it.spec))
}

async fn online(admin: &FluvioAdmin, topic: &str) -> Result<bool, CarrierError> {
    let partitions = admin.all::<PartitionSpec>().await.map_err(unavailable)?;
    let name = format!("{topic}-0");
    Ok(partitions.iter().any(|it| it.name == name && it.status.is_online()))
}

/// A topic that loses nothing by its settings.
fn wanted(config: &Config) -> TopicSpec {
    let mut spec = TopicSpec::new_computed(1, config.replication, None);
    let policy = SegmentBasedPolicy { time_in_seconds: RETENTION_S };
    spec.set_cleanup_policy(CleanupPolicy::Segment(policy));
    spec.set_storage(TopicStorageConfig {
        segment_size: Some(config.segment_bytes),
        max_partition_size: Some(PARTITION_BYTES),
    });
    spec
}

/// Refuses a topic that would lose, change or scatter records.
fn check(topic: &str, spec: &TopicSpec) -> Result<Found, CarrierError> {
    let (retention, storage) = (spec.retention_secs(), spec.get_storage());
    if retention < RETENTION_S_MIN {
        return Err(refused(format!(
            "topic {topic} has a retention time of {retention} s, after which records are lost: \
             set its retention-time to {RETENTION_S_MIN} s (100 years) or more"
        )));
    }
    match storage.and_then(|it| it.max_partition_size) {
        Some(bytes) if bytes >= PARTITION_BYTES_MIN => {}
        limit => {
            let limit = limit.map_or("its default (100 GB)".to_owned(), |it| format!("{it} bytes"));
            return Err(refused(format!(
                "topic {topic} has a max-partition-size of {limit}, beyond which records are lost: \
                 set it to {PARTITION_BYTES_MIN} bytes (1 PiB) or more"
            )));
        }
    }
    let segment_bytes = storage.and_then(|it| it.segment_size).unwrap_or(SEGMENT_BYTES_UNSET);
    if segment_bytes > SEGMENT_BYTES_MAX {
        return Err(refused(format!(
            "topic {topic} has a segment-size of {segment_bytes} bytes; readers hold a segment in \
             memory: set it to {SEGMENT_BYTES_MAX} bytes or less"
        )));
    }
    if spec.get_deduplication().is_some() {
        return Err(refused(format!("topic {topic} has deduplication, which removes records")));
    }
    if spec.get_compression_type() != &CompressionAlgorithm::Any
        && spec.get_compression_type() != &CompressionAlgorithm::None
    {
        return Err(refused(format!("topic {topic} asks for compression; set it to none or any")));
    }
    let (partitions, replication) = match spec.replicas() {
        ReplicaSpec::Mirror(_) => {
            return Err(refused(format!("topic {topic} is a mirror of another cluster's")));
        }
        replicas => (replicas.partitions(), copies(replicas)),
    };
    if partitions != 1 {
        return Err(refused(format!(
            "topic {topic} has {partitions} partitions; an order needs exactly one"
        )));
    }
    Ok(Found { segment_bytes, replication })
}

/// Copies of the first partition.
fn copies(replicas: &ReplicaSpec) -> u32 {
    match replicas {
        ReplicaSpec::Assigned(map) => {
            map.maps().first().map_or(1, |it| u32::try_from(it.replicas.len()).unwrap_or(1))
        }
        other => other.replication_factor().unwrap_or(1),
    }
}

#[cfg(test)]
mod tests {
    use fluvio::metadata::topic::{Bounds, Deduplication, Filter, Transform};

    use super::*;

    fn config() -> Config {
        Config::new("127.0.0.1:9003", "ledgerline-a")
    }

    fn reason(spec: &TopicSpec) -> String {
        match check("t", spec) {
            Err(CarrierError::Refused { reason }) => reason,
            other => panic!("refused, not {other:?}"),
        }
    }

    #[test]
    fn a_topic_as_it_is_made_here_is_taken() {
        let found = check("t", &wanted(&config())).expect("taken");
        assert_eq!(found, Found { segment_bytes: 16 << 20, replication: 1 });
        let three = Config { replication: 3, ..config() };
        assert_eq!(check("t", &wanted(&three)).expect("taken").replication, 3);
    }

    #[test]
    fn fluvios_defaults_are_refused_by_name() {
        let spec = TopicSpec::new_computed(1, 1, None);
        assert!(reason(&spec).contains("retention time of 604800 s"), "{}", reason(&spec));
    }

    #[test]
    fn each_setting_that_loses_records_is_refused_by_name() {
        let with = |seconds: u32, size: Option<u64>, segment: Option<u32>| {
            let mut spec = wanted(&config());
            let policy = SegmentBasedPolicy { time_in_seconds: seconds };
            spec.set_cleanup_policy(CleanupPolicy::Segment(policy));
            spec.set_storage(TopicStorageConfig {
                segment_size: segment,
                max_partition_size: size,
            });
            spec
        };
        let (long, large, segment) = (RETENTION_S_MIN, Some(PARTITION_BYTES_MIN), Some(16 << 20));
        assert!(check("t", &with(long, large, segment)).is_ok());
        assert!(reason(&with(long - 1, large, segment)).contains("retention-time"));
        assert!(reason(&with(long, None, segment)).contains("max-partition-size"));
        let less = Some(PARTITION_BYTES_MIN - 1);
        assert!(reason(&with(long, less, segment)).contains("max-partition-size"));
        assert!(reason(&with(long, large, None)).contains("segment-size"));
        let more = Some(SEGMENT_BYTES_MAX + 1);
        assert!(reason(&with(long, large, more)).contains("segment-size"));
        assert!(check("t", &with(long, large, Some(SEGMENT_BYTES_MAX))).is_ok());
    }

    #[test]
    fn a_topic_that_scatters_or_changes_records_is_refused() {
        let mut spec = wanted(&config());
        spec.set_replicas(ReplicaSpec::new_computed(2, 1, None));
        assert!(reason(&spec).contains("2 partitions"));
        let mut spec = wanted(&config());
        spec.set_compression_type(CompressionAlgorithm::Gzip);
        assert!(reason(&spec).contains("compression"));
        let mut spec = wanted(&config());
        spec.set_deduplication(Some(Deduplication {
            bounds: Bounds { count: 5, age: None },
            filter: Filter { transform: Transform::default() },
        }));
        assert!(reason(&spec).contains("deduplication"));
    }
}
