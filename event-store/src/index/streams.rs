//! Which positions a stream has.

use std::collections::BTreeMap;

use ledgerline_schemas::Version;

/// Positions of every stream's events, in order of version: 8 bytes an event beside the names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Streams(BTreeMap<Box<str>, Vec<u64>>);

impl Streams {
    /// Adds an event to a stream; its version.
    pub(crate) fn push(&mut self, stream: &str, position: u64) -> Version {
        match self.0.get_mut(stream) {
            Some(positions) => {
                positions.push(position);
                Version(positions.len() as u64 - 1)
            }
            None => {
                self.0.insert(stream.into(), vec![position]);
                Version(0)
            }
        }
    }

    /// Takes the last event of a stream away again.
    pub(crate) fn pop(&mut self, stream: &str) {
        if let Some(positions) = self.0.get_mut(stream) {
            positions.pop();
            if positions.is_empty() {
                self.0.remove(stream);
            }
        }
    }

    /// The stream's last version, events on their way included.
    pub(crate) fn head(&self, stream: &str) -> Option<Version> {
        self.0.get(stream).map(|positions| Version(positions.len() as u64 - 1))
    }

    /// The stream's positions up to `durable`, in order of version.
    pub(crate) fn positions(&self, stream: &str, durable: u64) -> &[u64] {
        let positions = self.0.get(stream).map_or(&[][..], Vec::as_slice);
        let end = positions.partition_point(|position| *position <= durable);
        positions.get(..end).unwrap_or_default()
    }
}
