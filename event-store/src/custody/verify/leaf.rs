//! The leaf of an event, verifier's side. `docs/custody.md` draws it.

use ledgerline_schemas::Recorded;

use super::tree::{Root, digest, leaf_hash};

/// Where the position stands in a leaf.
const POSITION_AT: usize = 20;

/// The leaf of an event if it stood at another position, as another version.
fn bytes(event: &Recorded, position: u64, version: u64) -> Vec<u8> {
    let header = &event.header;
    let optional = [
        (1_u8, header.causation_id.map(|id| id.uuid().into_bytes().to_vec())),
        (4, header.data_subject_id.map(|id| id.uuid().into_bytes().to_vec())),
    ];
    let flags = optional.iter().filter(|(_, id)| id.is_some()).map(|(bit, _)| *bit).sum::<u8>()
        + if header.traceparent.is_some() { 2 } else { 0 };
    let texts = [
        Some(header.stream.as_str()),
        Some(&*header.event_type),
        Some(header.actor.id.as_str()),
        header.traceparent.as_deref(),
    ];
    let mut fields: Vec<Vec<u8>> = vec![
        b"LLE1".to_vec(),
        header.org_id.uuid().into_bytes().to_vec(),
        position.to_be_bytes().to_vec(),
        version.to_be_bytes().to_vec(),
        header.time.micros().to_be_bytes().to_vec(),
        header.recorded_at.micros().to_be_bytes().to_vec(),
        header.config_position.0.to_be_bytes().to_vec(),
        header.id.uuid().into_bytes().to_vec(),
        header.command_id.uuid().into_bytes().to_vec(),
        header.correlation_id.uuid().into_bytes().to_vec(),
        vec![header.actor.kind as u8, flags],
    ];
    fields.extend(optional.into_iter().filter_map(|(_, id)| id));
    for text in texts.into_iter().flatten() {
        fields.push((text.len() as u16).to_be_bytes().to_vec());
        fields.push(text.as_bytes().to_vec());
    }
    fields.push((event.payload.len() as u32).to_be_bytes().to_vec());
    fields.push(digest(&event.payload).0.to_vec());
    fields.concat()
}

/// The leaf hash of an event.
pub(super) fn of(event: &Recorded) -> Root {
    of_moved(event, event.header.position.0, event.header.version.0)
}

/// The leaf hash of an event if it stood elsewhere.
pub(super) fn of_moved(event: &Recorded, position: u64, version: u64) -> Root {
    leaf_hash(&bytes(event, position, version))
}

/// The position a leaf says it has.
pub(super) fn position(leaf: &[u8]) -> Option<u64> {
    let rest = leaf.strip_prefix(b"LLE1")?.get(POSITION_AT - 4..)?;
    rest.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}
