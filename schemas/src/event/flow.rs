//! Flows: which steps an interaction took and what each returned.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{FlowId, InteractionId, RunId};
use crate::sensitive::Sensitive;

/// How a run ended.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum FlowExit {
    /// The flow handed the interaction to a queue and has nothing left to do.
    Queued,
    /// The flow disconnected the interaction.
    Disconnected,
    /// The flow reached its end.
    Ended,
    /// The customer left.
    CustomerLeft,
    /// An error without handler.
    Error,
    /// The flow handed the interaction over.
    Transferred,
}

impl FlowExit {
    /// The `lower_snake` name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Disconnected => "disconnected",
            Self::Ended => "ended",
            Self::CustomerLeft => "customer_left",
            Self::Error => "error",
            Self::Transferred => "transferred",
        }
    }
}

/// A run of a flow began.
///
/// Event type `flow.started`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowStarted {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The flow.
    pub flow_id: FlowId,
    /// Published version, from 1; 0 when an import does not know.
    pub flow_version: u32,
    /// Tag (`live`, `test`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow_tag: Option<String>,
    /// The run.
    pub run_id: RunId,
}

/// The run entered an activity.
///
/// Event type `flow.step_entered`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowStepEntered {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The run.
    pub run_id: RunId,
    /// Number of the step in the run, from 0.
    pub seq: u32,
    /// Id of the activity in the flow.
    pub activity_id: String,
    /// Its type, lower_snake.
    pub activity_type: String,
    /// Its name.
    pub activity_name: String,
}

/// The run left an activity.
///
/// Event type `flow.step_exited`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowStepExited {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The run.
    pub run_id: RunId,
    /// Number of the step.
    pub seq: u32,
    /// Id of the activity.
    pub activity_id: String,
    /// Name of the branch (`next`, `error`, `1`).
    pub branch_taken: String,
    /// New values of plain variables.
    pub variables_changed: BTreeMap<String, String>,
    /// New values of sensitive variables.
    pub sensitive_changed: BTreeMap<String, Sensitive<String>>,
    /// Time spent in the step, ms.
    pub duration_ms: u64,
}

/// The run called an HTTP service; the answer is recorded so that replay needs no network.
///
/// Event type `flow.http_called`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowHttpCalled {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The run.
    pub run_id: RunId,
    /// Id of the activity.
    pub activity_id: String,
    /// HTTP method.
    pub method: String,
    /// URL before variables were put in.
    pub url_template: String,
    /// HTTP status; 0 when no answer came.
    pub status: u16,
    /// Time to the answer, ms.
    pub latency_ms: u64,
    /// Where the body is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_ref: Option<String>,
}

/// Digits or text were collected.
///
/// Event type `flow.input_collected`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowInputCollected {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The run.
    pub run_id: RunId,
    /// Id of the activity.
    pub activity_id: String,
    /// Branch that the input decided (`match:1`, `no_input`); replay uses it after an erasure.
    pub outcome: String,
    /// Input with every character replaced by `*`, or as entered when the activity is not sensitive and a menu.
    pub input_masked: String,
    /// The input itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Sensitive<String>>,
}

/// An activity failed.
///
/// Event type `flow.error`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowError {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The run.
    pub run_id: RunId,
    /// Id of the activity.
    pub activity_id: String,
    /// Stable code, lower_snake.
    pub code: String,
}

/// An event handler of the flow began.
///
/// Event type `flow.handler_triggered`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowHandlerTriggered {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The run.
    pub run_id: RunId,
    /// Name of the handler, lower_snake.
    pub handler: String,
}

/// The run is over.
///
/// Event type `flow.ended`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowEnded {
    /// The interaction.
    pub interaction_id: InteractionId,
    /// The run.
    pub run_id: RunId,
    /// How.
    pub exit: FlowExit,
}

/// A version of a flow was published.
///
/// Event type `flow.published`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowPublished {
    /// The flow.
    pub flow_id: FlowId,
    /// The version, from 1.
    pub flow_version: u32,
    /// Hash of the canonical document, lower-case hex.
    pub sha256: String,
}
