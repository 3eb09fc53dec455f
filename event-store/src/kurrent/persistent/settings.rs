//! How a group works, as its creator said.

use std::time::Duration;

use tonic::Status;

use crate::kurrent::wire::persistent::create_req::settings::{CheckpointAfter, MessageTimeout};
use crate::kurrent::wire::persistent::create_req::{ConsumerStrategy, Settings as Wire};

/// Who gets the next event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// Everyone in turn.
    RoundRobin,
    /// The first one with room.
    DispatchToSingle,
    /// Always the same one for a stream, while the consumers are the same.
    Pinned,
}

impl Strategy {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "RoundRobin",
            Self::DispatchToSingle => "DispatchToSingle",
            Self::Pinned => "Pinned",
        }
    }
}

/// Settings with every default filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) strategy: Strategy,
    /// How long a consumer may keep an event; `None`: as long as it is connected.
    pub(crate) message_timeout: Option<Duration>,
    /// Repetitions before an event is parked.
    pub(crate) max_retries: u32,
    /// Events read ahead of the consumers.
    pub(crate) read_batch: usize,
    /// Consumers at once; 0: any number.
    pub(crate) max_consumers: usize,
    /// When the position is saved: after this long and this many events, or after so many at once.
    pub(crate) checkpoint_after: Duration,
    pub(crate) checkpoint_min: u64,
    pub(crate) checkpoint_max: u64,
}

const TICKS_PER_MS: i64 = 10_000;

fn millis(value: i64) -> Duration {
    Duration::from_millis(u64::try_from(value).unwrap_or(0))
}

impl Settings {
    pub(crate) fn read(wire: &Wire) -> Result<Self, Status> {
        let timeout = match wire.message_timeout {
            Some(MessageTimeout::MessageTimeoutMs(ms)) => millis(i64::from(ms)),
            Some(MessageTimeout::MessageTimeoutTicks(ticks)) => millis(ticks / TICKS_PER_MS),
            None => Duration::from_secs(30),
        };
        let checkpoint_after = match wire.checkpoint_after {
            Some(CheckpointAfter::CheckpointAfterMs(ms)) => millis(i64::from(ms)),
            Some(CheckpointAfter::CheckpointAfterTicks(ticks)) => millis(ticks / TICKS_PER_MS),
            None => Duration::from_secs(2),
        };
        let checkpoint_max = u64::try_from(wire.max_checkpoint_count).unwrap_or(0);
        Ok(Self {
            strategy: strategy(wire)?,
            message_timeout: (!timeout.is_zero()).then_some(timeout),
            max_retries: u32::try_from(wire.max_retry_count).unwrap_or(0),
            read_batch: usize::try_from(wire.read_batch_size).unwrap_or(0).clamp(1, 500),
            max_consumers: usize::try_from(wire.max_subscriber_count).unwrap_or(0),
            checkpoint_after: checkpoint_after.max(Duration::from_millis(10)),
            checkpoint_min: u64::try_from(wire.min_checkpoint_count).unwrap_or(0).max(1),
            checkpoint_max: if checkpoint_max == 0 { 1_000 } else { checkpoint_max },
        })
    }
}

fn strategy(wire: &Wire) -> Result<Strategy, Status> {
    match wire.consumer_strategy.as_str() {
        "RoundRobin" => Ok(Strategy::RoundRobin),
        "DispatchToSingle" => Ok(Strategy::DispatchToSingle),
        "Pinned" => Ok(Strategy::Pinned),
        "" => match ConsumerStrategy::try_from(wire.named_consumer_strategy) {
            Ok(ConsumerStrategy::RoundRobin) => Ok(Strategy::RoundRobin),
            Ok(ConsumerStrategy::DispatchToSingle) => Ok(Strategy::DispatchToSingle),
            Ok(ConsumerStrategy::Pinned) => Ok(Strategy::Pinned),
            Err(_) => Err(Status::invalid_argument("consumer strategy is not known")),
        },
        other => Err(Status::invalid_argument(format!(
            "consumer strategy '{other}' is not known: use RoundRobin, DispatchToSingle or Pinned"
        ))),
    }
}
