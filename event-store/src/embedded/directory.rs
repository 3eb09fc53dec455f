//! What is in a log's directory.

use super::checkpoints;
use super::error::{At, OpenError};
use crate::disk::Disk;
use crate::index::layout;
use crate::segment;
use crate::segment::writer::TEMPORARY;

/// The files of a log.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Names of the segments, in order.
    pub(crate) segments: Vec<String>,
    /// Index files: first position, position after the last, name.
    pub(crate) indexes: Vec<(u64, u64, String)>,
}

impl Found {
    /// Looks. Leftovers of files that never became part of the log are removed.
    pub(crate) fn in_directory(disk: &dyn Disk, at: &At) -> Result<Self, OpenError> {
        let mut found = Self::default();
        let mut leftovers = Vec::new();
        for name in disk.list().map_err(at.io("listing the directory"))? {
            if segment::base_position_of(&name).is_some() {
                found.segments.push(name);
            } else if let Some((base, next)) = layout::positions_of(&name) {
                found.indexes.push((base, next, name));
            } else if name.ends_with(TEMPORARY) || name.ends_with(layout::TEMPORARY) {
                leftovers.push(name);
            } else if name != checkpoints::FILE_NAME && !crate::engine::is_mirror_file(&name) {
                return Err(OpenError::Foreign { directory: at.0.clone(), name });
            }
        }
        for name in leftovers {
            disk.remove(&name).map_err(at.io("removing an unfinished file"))?;
        }
        found.segments.sort_unstable();
        Ok(found)
    }
}
