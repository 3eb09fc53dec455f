//! Events of other systems, kept as they came.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sensitive::Blob;

/// Another system appended an event of its own. Nothing here is interpreted: routing and tables pass it
/// by, and readers get back the bytes that were sent.
///
/// Event type `external.event`; streams `external-*` only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExternalEvent {
    /// The event type in the other system's words.
    pub external_type: String,
    /// Media type of `data`, as it was given.
    pub content_type: String,
    /// The data, byte for byte.
    pub data: Blob,
    /// The other system's metadata, byte for byte; may be empty.
    pub metadata: Blob,
}
