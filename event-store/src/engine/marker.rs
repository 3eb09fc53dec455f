//! The file that makes a log directory a mirror: whose copy it is, and which copy.
//!
//! It is in the directory before the first entry of the engine is, so that a mirror is never taken for a log of
//! its own: what would be appended to it alone would be lost.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::embedded::OpenError;

/// The file in the log's directory.
pub(crate) const MARKER_FILE: &str = "mirror.json";
const FORMAT: u32 = 1;

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marker {
    format: u32,
    /// The engine's name for the log it has. Without secrets.
    pub(crate) engine: String,
    /// The name of this copy.
    pub(crate) node: Uuid,
}

impl Marker {
    pub(crate) const fn new(engine: String, node: Uuid) -> Self {
        Self { format: FORMAT, engine, node }
    }
}

/// Whose mirror the directory is; `None`: nobody's.
pub(crate) fn marker_in(directory: &Path) -> Result<Option<Marker>, OpenError> {
    let unusable =
        |reason: String| OpenError::MirrorFile { directory: directory.to_owned(), reason };
    let text = match fs::read_to_string(directory.join(MARKER_FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(error.to_string())),
    };
    let marker: Marker =
        serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?;
    if marker.format != FORMAT {
        return Err(unusable(format!("format {} is not known", marker.format)));
    }
    Ok(Some(marker))
}

/// Makes the directory a mirror, durably.
pub(crate) fn write_marker(directory: &Path, marker: &Marker) -> io::Result<()> {
    let text = serde_json::to_string_pretty(marker).map_err(io::Error::other)?;
    replace(directory, MARKER_FILE, text.as_bytes())
}

/// Makes the directory a log of its own again, durably.
pub(crate) fn remove_marker(directory: &Path) -> io::Result<()> {
    for name in [super::cursor::CURSOR_FILE, MARKER_FILE] {
        match fs::remove_file(directory.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    File::open(directory)?.sync_all()
}

/// Writes a file whole or not at all, durably.
pub(crate) fn replace(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let aside = directory.join(format!("{name}{TEMPORARY}"));
    fs::write(&aside, bytes)?;
    File::open(&aside)?.sync_all()?;
    fs::rename(&aside, directory.join(name))?;
    File::open(directory)?.sync_all()
}

const TEMPORARY: &str = ".tmp";

/// Whether a file of a log directory is a mirror's.
pub(crate) fn is_mirror_file(name: &str) -> bool {
    let name = name.strip_suffix(TEMPORARY).unwrap_or(name);
    [MARKER_FILE, super::cursor::CURSOR_FILE].contains(&name)
}
