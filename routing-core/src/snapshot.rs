//! Snapshots of the state: versioned, canonical, complete.
//!
//! The bytes are MessagePack of every canonical field in a fixed order; indexes and parsed documents
//! are rebuilt. Two states with the same bytes decide alike, so the hash of the bytes is the state's.

use std::collections::BTreeMap;

use ledgerline_schemas::id::{EntityId, FlowId, InteractionId, QueueId, UserId};
use ledgerline_schemas::{Position, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::state::State;
use crate::state::agent::Agent;
use crate::state::config::{Config, EntityRecord, FlowVersion};
use crate::state::interaction::Interaction;

/// Version of the layout. A snapshot of another version is not read: the log is replayed instead.
const VERSION: u16 = 1;

/// A snapshot could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The bytes are not a snapshot.
    #[error("snapshot does not decode: {0}")]
    Decode(String),
    /// The snapshot has a layout this program does not know.
    #[error("snapshot version is {found}, this program reads {VERSION}")]
    Version {
        /// Version found.
        found: u16,
    },
}

#[derive(Serialize)]
struct Image<'a> {
    version: u16,
    position: Position,
    config_position: Position,
    entities: &'a BTreeMap<EntityId, EntityRecord>,
    flow_versions: &'a BTreeMap<(FlowId, u32), FlowVersion>,
    agents: &'a BTreeMap<UserId, Agent>,
    interactions: &'a BTreeMap<InteractionId, Interaction>,
    reroute: &'a BTreeMap<QueueId, Timestamp>,
}

#[derive(Deserialize)]
struct OwnedImage {
    #[serde(rename = "version")]
    _version: u16,
    position: Position,
    config_position: Position,
    entities: BTreeMap<EntityId, EntityRecord>,
    flow_versions: BTreeMap<(FlowId, u32), FlowVersion>,
    agents: BTreeMap<UserId, Agent>,
    interactions: BTreeMap<InteractionId, Interaction>,
    reroute: BTreeMap<QueueId, Timestamp>,
}

/// Reads the version alone: other fields may have any shape.
#[derive(Deserialize)]
struct VersionOnly {
    version: u16,
}

/// The canonical bytes of a state.
#[must_use]
pub fn encode(state: &State) -> Vec<u8> {
    let image = Image {
        version: VERSION,
        position: state.position,
        config_position: state.config_position,
        entities: &state.config.entities,
        flow_versions: &state.config.flow_versions,
        agents: &state.agents,
        interactions: &state.interactions,
        reroute: &state.reroute,
    };
    // Plain structs and ordered maps always serialize; empty bytes would be refused by `decode`.
    rmp_serde::to_vec_named(&image).unwrap_or_default()
}

/// The state of canonical bytes.
///
/// # Errors
/// [`SnapshotError`] if the bytes are damaged or of another version.
pub fn decode(bytes: &[u8]) -> Result<State, SnapshotError> {
    let broken = |error: rmp_serde::decode::Error| SnapshotError::Decode(error.to_string());
    let VersionOnly { version } = rmp_serde::from_slice(bytes).map_err(broken)?;
    if version != VERSION {
        return Err(SnapshotError::Version { found: version });
    }
    let image: OwnedImage = rmp_serde::from_slice(bytes).map_err(broken)?;
    let mut state = State {
        config: Config::rebuild(image.entities, image.flow_versions),
        agents: image.agents,
        interactions: image.interactions,
        reroute: image.reroute,
        position: image.position,
        config_position: image.config_position,
        ..State::default()
    };
    state.index = state.rebuilt_index();
    Ok(state)
}

/// SHA-256 of the canonical bytes.
#[must_use]
pub fn hash(state: &State) -> [u8; 32] {
    Sha256::digest(encode(state)).into()
}
