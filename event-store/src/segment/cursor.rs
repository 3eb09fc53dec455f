//! Reading a segment frame by frame, every frame verified.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::Segment;
use super::frame::{self, Frame, FrameHead, HEAD_BYTES};
use crate::disk::DiskFile;

/// Read at first, bytes: a look at a single event costs no more.
const READ_MIN_BYTES: usize = 32 << 10;
/// Read at a time once a cursor has gone on for a while, bytes.
const READ_MAX_BYTES: usize = 1 << 20;

/// What a step found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A good frame; [`Cursor::frame`] shows it.
    Frame,
    /// Nothing is written here: zeros, or the end of the file.
    Blank,
    /// Bytes that are no good frame.
    Bad(&'static str),
}

/// A place in a segment and a buffer ahead of it.
#[derive(Debug)]
pub(crate) struct Cursor {
    segment: Arc<Segment>,
    file: Option<Arc<dyn DiskFile>>,
    buffer: Vec<u8>,
    /// Offset in the file of the buffer's first byte, and how many of its bytes are valid.
    buffer_at: u64,
    filled: usize,
    read_ahead: usize,
    current: Option<Current>,
    next: u64,
}

#[derive(Clone, Debug)]
struct Current {
    head: FrameHead,
    crc: u32,
    body: Range<usize>,
    offset: u64,
}

impl Cursor {
    /// A cursor before the frame at `offset`.
    pub(crate) fn new(segment: Arc<Segment>, offset: u64) -> Self {
        Self {
            segment,
            file: None,
            buffer: Vec::new(),
            buffer_at: offset,
            filled: 0,
            read_ahead: READ_MIN_BYTES,
            current: None,
            next: offset,
        }
    }

    pub(crate) const fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// Offset of the current frame; before the first step, of the next one.
    pub(crate) fn offset(&self) -> u64 {
        self.current.as_ref().map_or(self.next, |current| current.offset)
    }

    /// Offset behind the current frame.
    pub(crate) const fn next_offset(&self) -> u64 {
        self.next
    }

    /// The frame the last step found.
    pub(crate) fn frame(&self) -> Option<Frame<'_>> {
        let current = self.current.as_ref()?;
        let body = self.buffer.get(current.body.clone())?;
        Some(Frame { head: current.head, crc: current.crc, body })
    }

    /// Goes to the next frame. After anything but [`Step::Frame`] the cursor stays where it is.
    pub(crate) fn step(&mut self) -> io::Result<Step> {
        self.current = None;
        let Some(start) = self.ensure(HEAD_BYTES)? else { return Ok(Step::Blank) };
        let head = self.buffer.get(start..start + HEAD_BYTES).unwrap_or_default();
        if head.iter().all(|byte| *byte == 0) {
            return Ok(Step::Blank);
        }
        if !frame::may_begin(head, self.segment.salt) {
            return Ok(Step::Bad("these bytes begin no frame of this segment"));
        }
        let Some(bytes) = frame::claimed_bytes(head) else {
            return Ok(Step::Bad("a frame's length is impossible"));
        };
        let Some(start) = self.ensure(bytes)? else {
            return Ok(Step::Bad("a frame passes the end of its segment"));
        };
        let whole = self.buffer.get(start..start + bytes).unwrap_or_default();
        match frame::verify(whole, self.segment.salt, self.segment.faults) {
            Ok(frame) => {
                let body = start + HEAD_BYTES..start + HEAD_BYTES + frame.body.len();
                let current = Current { head: frame.head, crc: frame.crc, body, offset: self.next };
                self.current = Some(current);
                self.next += bytes as u64;
                Ok(Step::Frame)
            }
            Err(reason) => Ok(Step::Bad(reason)),
        }
    }

    /// Brings `bytes` bytes from the next frame's offset into the buffer; where they begin in it, or
    /// `None` when the file ends before.
    fn ensure(&mut self, bytes: usize) -> io::Result<Option<usize>> {
        let start = usize::try_from(self.next.saturating_sub(self.buffer_at)).unwrap_or(usize::MAX);
        if start.saturating_add(bytes) <= self.filled {
            return Ok(Some(start));
        }
        let wanted = bytes.max(self.read_ahead);
        self.read_ahead = (self.read_ahead * 2).min(READ_MAX_BYTES);
        if self.buffer.len() < wanted {
            // What is in it is read again: nothing has to be kept.
            self.buffer = vec![0; wanted];
        }
        self.buffer_at = self.next;
        self.filled = 0;
        let space = self.buffer.get_mut(..wanted).unwrap_or_default();
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(self.segment.file()?),
        };
        self.filled = file.read_at(space, self.next)?;
        Ok((self.filled >= bytes).then_some(0))
    }
}
