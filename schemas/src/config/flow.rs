//! Flows: what happens to an interaction before and while it waits.
//!
//! A flow is a graph of activities. Each activity has named branches that lead to the next activity; an
//! activity without the branch that is taken ends the run.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::QueueId;
use crate::time::DurationMs;

/// A flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Name, unique among flows.
    pub name: String,
    /// Id of the first activity.
    pub start: String,
    /// Activities by id.
    pub activities: BTreeMap<String, Activity>,
}

/// One activity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Activity {
    /// Name shown in traces.
    #[serde(default)]
    pub name: String,
    /// What it does.
    pub does: ActivityKind,
    /// Next activity by branch.
    #[serde(default)]
    pub next: BTreeMap<String, String>,
}

/// What an activity does. Branches it takes stand behind each kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ActivityKind {
    /// Plays an audio file (voice) or sends its text (chat) once: `next`, `error`.
    PlayMessage {
        /// Name of the audio file.
        media: String,
        /// Text for channels without sound.
        #[serde(default)]
        text: String,
    },
    /// Plays music for a time: `next`, `error`.
    PlayMusic {
        /// Name of the audio file.
        media: String,
        /// How long, ms; 0 = until something else happens.
        #[serde(default)]
        duration_ms: DurationMs,
    },
    /// Plays a prompt and collects one digit (voice) or one line (chat): the choice (`1`), `no_input`, `no_match`.
    Menu {
        /// Name of the audio file.
        media: String,
        /// Text for channels without sound.
        #[serde(default)]
        text: String,
        /// Time to wait for input after the prompt, ms.
        timeout_ms: DurationMs,
    },
    /// Waits: `next`.
    Wait {
        /// How long, ms.
        duration_ms: DurationMs,
    },
    /// Sets the priority of the interaction: `next`.
    SetPriority {
        /// 1 (highest) to 10 (default).
        priority: u8,
    },
    /// Queues the interaction: `queued` continues as queue treatment while it waits, `error` when it cannot be queued.
    QueueContact {
        /// The queue.
        queue_id: QueueId,
    },
    /// Ends the interaction; no branch.
    Disconnect {},
}

impl ActivityKind {
    /// The `lower_snake` name of the type, as in traces.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::PlayMessage { .. } => "play_message",
            Self::PlayMusic { .. } => "play_music",
            Self::Menu { .. } => "menu",
            Self::Wait { .. } => "wait",
            Self::SetPriority { .. } => "set_priority",
            Self::QueueContact { .. } => "queue_contact",
            Self::Disconnect {} => "disconnect",
        }
    }
}
