//! The evidence bundle of a stream: what a third party needs to verify it with ordinary tools.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledgerline_schemas::{Position, Recorded, StreamId, Version};
use serde_json::json;

use super::chain::{CHAIN_START, link};
use super::error::CustodyError;
use super::hash::Hash;
use super::leaf::leaf;
use super::{Custody, Progress};
use crate::log::{Direction, EventReader};

/// Events read at a time.
const PAGE: usize = 1_000;
const README: &str = include_str!("evidence/README.md");
const SCRIPT: &str = include_str!("evidence/verify.py");

/// What was exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Events in the bundle.
    pub events: u64,
    /// Size of the checkpoint they are proved under.
    pub size: u64,
    /// The files, below the folder given.
    pub files: Vec<PathBuf>,
}

/// A folder that is being filled.
struct Bundle<'a> {
    folder: &'a Path,
    files: Vec<PathBuf>,
}

impl Bundle<'_> {
    fn put(&mut self, name: &str, contents: &[u8]) -> Result<(), CustodyError> {
        let path = self.folder.join(name);
        let write = || {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            // Never over anything: evidence that is there stays.
            let mut file = File::create_new(&path)?;
            file.write_all(contents)?;
            file.sync_all()
        };
        write().map_err(|error| CustodyError::io(&path, error))?;
        self.files.push(PathBuf::from(name));
        Ok(())
    }
}

impl Custody {
    /// The events of a stream under the newest checkpoint, in the order of their versions.
    ///
    /// # Errors
    /// [`CustodyError::NoEvents`] if there are none.
    pub fn covered(
        &self,
        log: &dyn EventReader,
        stream: &StreamId,
    ) -> Result<Vec<Recorded>, CustodyError> {
        let size = self.newest().map_or(0, |newest| newest.size);
        let mut events: Vec<Recorded> = Vec::new();
        loop {
            let from = Version(events.len() as u64);
            let page = log.read_stream(stream, from, Direction::Forward, PAGE)?;
            let read = page.len();
            let before = events.len();
            events.extend(page.into_iter().filter(|event| event.header.position.0 <= size));
            if read < PAGE || events.len() < before + read {
                break;
            }
        }
        if events.is_empty() {
            return Err(CustodyError::NoEvents { stream: stream.to_string(), size });
        }
        Ok(events)
    }

    /// A signed statement that a stream has these events under the newest checkpoint and no others, with
    /// the value of its chain.
    ///
    /// ```text
    /// ledgerline/stream-statement@v1
    /// origin
    /// stream
    /// size of the checkpoint
    /// number of events
    /// chain value, base64
    /// ```
    ///
    /// Its second line is no number, so it cannot pass for a checkpoint.
    ///
    /// # Errors
    /// [`CustodyError::StreamName`] if the name has control characters.
    pub fn state(
        &self,
        stream: &StreamId,
        events: u64,
        chain: Hash,
    ) -> Result<String, CustodyError> {
        if stream.as_str().chars().any(char::is_control) {
            return Err(CustodyError::StreamName { stream: stream.to_string() });
        }
        let size = self.newest().map_or(0, |newest| newest.size);
        let origin = self.origin();
        let text = format!(
            "ledgerline/stream-statement@v1\n{origin}\n{stream}\n{size}\n{events}\n{chain}\n"
        );
        Ok(self.key.sign(origin, &text))
    }

    /// Writes the evidence bundle of a stream to a folder, which is made and must be empty: events, leaves,
    /// proofs, checkpoint, statement, public key, and a README with a script for whoever receives it.
    ///
    /// # Errors
    /// [`CustodyError::NoEvents`] if the stream has no events under the newest checkpoint;
    /// [`CustodyError::Io`] if the folder has something in it; those of [`Custody::prove`].
    pub fn export(
        &mut self,
        log: &dyn EventReader,
        stream: &StreamId,
        folder: &Path,
        progress: Progress<'_>,
    ) -> Result<Exported, CustodyError> {
        let events = self.covered(log, stream)?;
        let io = |error| CustodyError::io(folder, error);
        fs::create_dir_all(folder).map_err(io)?;
        if fs::read_dir(folder).map_err(io)?.next().is_some() {
            return Err(io(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "the folder is not empty",
            )));
        }
        let mut bundle = Bundle { folder, files: Vec::new() };
        let mut lines = Vec::new();
        let mut chain = CHAIN_START;
        let last = Position(events.len() as u64);
        for (number, event) in (1..).zip(&events) {
            let leaf = leaf(event);
            let hash = Hash::leaf(&leaf);
            chain = link(chain, hash);
            let proof = self.prove(log, event, &mut |_, _| {})?;
            let position = event.header.position.0;
            bundle.put(&format!("proofs/{position}.tlog-proof"), proof.as_bytes())?;
            let line = json!({
                "position": position,
                "version": event.header.version,
                "leaf": STANDARD.encode(&leaf),
                "leaf_hash": hash.to_string(),
                "chain": chain.to_string(),
                "payload": STANDARD.encode(&event.payload),
                "event": event.to_json(),
            });
            lines.extend_from_slice(line.to_string().as_bytes());
            lines.push(b'\n');
            progress(Position(number), last);
        }
        let (size, note) =
            self.newest().map_or((0, String::new()), |it| (it.size, it.note.clone()));
        let count = events.len() as u64;
        bundle.put("events.jsonl", &lines)?;
        bundle.put("checkpoint", note.as_bytes())?;
        bundle.put("stream-statement", self.state(stream, count, chain)?.as_bytes())?;
        bundle.put("vkey", format!("{}\n", self.vkey()).as_bytes())?;
        bundle.put("public-key.pem", self.key.public_pem().as_bytes())?;
        let readme = README
            .replace("{stream}", stream.as_str())
            .replace("{events}", &count.to_string())
            .replace("{size}", &size.to_string())
            .replace("{origin}", self.origin())
            .replace("{vkey}", &self.vkey());
        bundle.put("README.md", readme.as_bytes())?;
        bundle.put("verify.py", SCRIPT.as_bytes())?;
        Ok(Exported { events: count, size, files: bundle.files })
    }
}
