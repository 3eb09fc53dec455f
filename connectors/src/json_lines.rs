//! A sink that writes events to a file, one `CloudEvents` JSON object a line.
//!
//! The file knows its own last position, so events that come again after a crash are not written twice,
//! and a line that a crash cut off is taken away when the file is opened.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ledgerline_access::outbound::whole_file;
use ledgerline_schemas::{Position, Recorded};
use serde::Deserialize;

use crate::sink::{Sink, SinkError};

/// Read at a time while looking for the last line, bytes.
const STEP_BYTES: u64 = 64 << 10;

/// A file of events. One file is of one organization; it has one writer.
#[derive(Clone, Debug)]
pub struct JsonLines {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    /// Length of what is whole and durable, bytes.
    length: u64,
    /// Position of the last line.
    last: Position,
}

#[derive(Deserialize)]
struct Line {
    position: Position,
}

impl JsonLines {
    /// Opens a file, or makes it.
    ///
    /// # Errors
    /// When it cannot be opened, or its last whole line is no event.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
        whole_file::sync_folder(path)?;
        let length = whole_lines(&mut file)?;
        file.set_len(length)?;
        let last = last_position(&mut file, length)?;
        file.sync_all()?;
        Ok(Self { inner: Arc::new(Mutex::new(Inner { file, length, last })) })
    }

    /// Position of the last event in the file.
    #[must_use]
    pub fn last(&self) -> Position {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).last
    }
}

impl Inner {
    fn append(&mut self, lines: &[u8], last: Position) -> io::Result<()> {
        // What an earlier attempt left behind is written over.
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(lines)?;
        self.file.sync_data()?;
        self.length += lines.len() as u64;
        self.last = last;
        Ok(())
    }
}

impl Sink for JsonLines {
    async fn deliver(&mut self, events: &[Recorded]) -> Result<(), SinkError> {
        let written = self.last();
        let mut lines = Vec::new();
        let mut last = written;
        for event in events.iter().filter(|event| event.header.position > written) {
            serde_json::to_writer(&mut lines, &event.to_json())
                .map_err(|error| SinkError::Refused(error.to_string()))?;
            lines.push(b'\n');
            last = event.header.position;
        }
        if lines.is_empty() {
            return Ok(());
        }
        let inner = Arc::clone(&self.inner);
        // A sync may take long; it must not hold up the runtime. When the caller goes away meanwhile, the
        // lock keeps the next batch waiting until this one is in the file, and then it is not written twice.
        let append = move || {
            let mut inner = inner.lock().unwrap_or_else(PoisonError::into_inner);
            if inner.last == written {
                inner.append(&lines, last)
            } else {
                Err(io::ErrorKind::Interrupted.into())
            }
        };
        tokio::task::spawn_blocking(append)
            .await
            .map_err(|error| SinkError::Later(error.to_string()))?
            .map_err(|error| SinkError::Later(error.to_string()))
    }
}

/// Length up to and with the last line end.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    let end = file.metadata()?.len();
    Ok(line_end_before(file, end)?.map_or(0, |at| at + 1))
}

/// Position in the last line of the first `length` bytes.
fn last_position(file: &mut File, length: u64) -> io::Result<Position> {
    let Some(end) = length.checked_sub(1) else { return Ok(Position::START) };
    let start = line_end_before(file, end)?.map_or(0, |at| at + 1);
    file.seek(SeekFrom::Start(start))?;
    let mut line = Vec::new();
    file.take(end - start).read_to_end(&mut line)?;
    let line: Line = serde_json::from_slice(&line)?;
    Ok(line.position)
}

/// Offset of the last line end before `end`.
fn line_end_before(file: &mut File, end: u64) -> io::Result<Option<u64>> {
    let mut to = end;
    while to > 0 {
        let from = to.saturating_sub(STEP_BYTES);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        (&mut *file).take(to - from).read_to_end(&mut bytes)?;
        if let Some(index) = bytes.iter().rposition(|byte| *byte == b'\n') {
            return Ok(Some(from + index as u64));
        }
        to = from;
    }
    Ok(None)
}
