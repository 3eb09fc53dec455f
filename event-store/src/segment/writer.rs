//! The segment that is being written, and how one segment follows another.

use std::io;
use std::sync::Arc;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::OrgId;

use super::frame::{self, FrameHead, Kind};
use super::header::{HEADER_BYTES, SegmentHeader};
use super::recovery::Scanned;
use super::{Bytes, Segment, file_name};
use crate::disk::DiskFile;
use crate::disk::files::OpenFiles;
use crate::fault::Faults;
use crate::index::layout::SegmentFacts;

const SEAL_BODY_BYTES: usize = 28;
/// Length of the frame that ends a segment.
pub(crate) const SEAL_BYTES: usize = frame::frame_bytes(SEAL_BODY_BYTES);
/// Kept free at the end of every segment, so that closing it needs no new space: a seal and a mark.
const RESERVED_BYTES: u64 = (frame::frame_bytes(SEAL_BODY_BYTES) + frame::frame_bytes(0)) as u64;
/// Name ending of a segment that is not part of the log yet.
pub(crate) const TEMPORARY: &str = ".seg.tmp";

/// What a seal says about its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SealBody {
    pub(crate) first_position: u64,
    pub(crate) next_position: u64,
    pub(crate) frames: u64,
    pub(crate) chain: u32,
}

impl SealBody {
    fn encode(&self, out: &mut Vec<u8>) {
        for number in [self.first_position, self.next_position, self.frames] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.chain.to_le_bytes());
    }

    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let mut rest = Bytes(body);
        Some(Self {
            first_position: rest.u64()?,
            next_position: rest.u64()?,
            frames: rest.u64()?,
            chain: rest.u32()?,
        })
    }
}

/// Sizes of segments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// A segment is closed before it grows beyond this.
    pub(crate) segment_bytes: u64,
    /// Space is reserved and zeroed in steps of this.
    pub(crate) step_bytes: u64,
}

/// What a new segment is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Birth {
    pub(crate) org_id: OrgId,
    pub(crate) base_position: u64,
    pub(crate) salt: u32,
    pub(crate) epoch: u32,
    pub(crate) created_at: Timestamp,
}

/// The last segment of the log.
#[derive(Debug)]
pub(crate) struct Active {
    segment: Arc<Segment>,
    file: Arc<dyn DiskFile>,
    sizes: Sizes,
    epoch: u32,
    tail: u64,
    allocated: u64,
    frames: u64,
    chain: u32,
}

impl Active {
    /// Makes a segment under a temporary name, durable but not yet part of the log.
    pub(crate) fn prepare(
        files: &Arc<OpenFiles>,
        birth: &Birth,
        sizes: Sizes,
        faults: Faults,
    ) -> io::Result<Self> {
        let name = file_name(birth.base_position);
        let temporary = temporary_name(birth.base_position);
        let disk = files.disk();
        let made = || -> io::Result<Self> {
            let file = disk.create(&temporary)?;
            let header = SegmentHeader {
                org_id: birth.org_id,
                base_position: birth.base_position,
                salt: birth.salt,
                epoch: birth.epoch,
                created_at: birth.created_at,
            };
            let allocated = sizes.step_bytes.max(HEADER_BYTES as u64 + RESERVED_BYTES);
            file.allocate(0, allocated)?;
            file.write_at(&header.encode(), 0)?;
            file.sync_data()?;
            let (base_position, salt) = (birth.base_position, birth.salt);
            let files = Arc::clone(files);
            let name = name.clone();
            let segment = Arc::new(Segment { name, base_position, salt, files, faults });
            Ok(Self {
                segment,
                file,
                sizes,
                epoch: birth.epoch,
                tail: HEADER_BYTES as u64,
                allocated,
                frames: 0,
                chain: 0,
            })
        };
        made().inspect_err(|_| {
            // A leftover would stand in the way of the next try; opening removes it as well.
            let _ = disk.remove(&temporary);
        })
    }

    /// Makes a prepared segment part of the log, durably.
    pub(crate) fn adopt(&self) -> io::Result<()> {
        let files = &self.segment.files;
        files.disk().rename(&temporary_name(self.segment.base_position), &self.segment.name)?;
        // An empty segment that could not take a long append had the same name.
        files.forget(&self.segment.name);
        files.disk().sync_directory()
    }

    /// Continues a segment that was read back.
    pub(crate) fn resume(
        segment: Arc<Segment>,
        scanned: &Scanned,
        epoch: u32,
        sizes: Sizes,
    ) -> io::Result<Self> {
        let file = segment.file()?;
        let allocated = file.len()?;
        let Scanned { tail, frames, chain, .. } = *scanned;
        Ok(Self { segment, file, sizes, epoch, tail, allocated, frames, chain })
    }

    pub(crate) const fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    pub(crate) const fn tail(&self) -> u64 {
        self.tail
    }

    /// Whether a frame of this length belongs into this segment, behind frames that wait to be written.
    /// A segment takes at least one frame, however long.
    pub(crate) fn has_room(&self, waiting_bytes: usize, bytes: usize) -> bool {
        let from = self.tail + waiting_bytes as u64;
        from == HEADER_BYTES as u64
            || from + bytes as u64 + RESERVED_BYTES <= self.sizes.segment_bytes
    }

    /// A frame's head in this segment.
    pub(crate) fn head(&self, kind: Kind, base_position: u64) -> FrameHead {
        FrameHead {
            salt: self.segment.salt,
            kind,
            count: 0,
            epoch: self.epoch,
            group_bytes: 0,
            base_position,
            recorded_at_micros: 0,
        }
    }

    /// Reserves space for frames of this length; nothing of the log changes.
    pub(crate) fn reserve(&mut self, bytes: usize) -> io::Result<()> {
        let needed = self.tail + bytes as u64 + RESERVED_BYTES;
        if needed > self.allocated {
            let until = needed.next_multiple_of(self.sizes.step_bytes.max(1));
            let limit = self.sizes.segment_bytes.max(needed);
            let until = until.min(limit);
            let (from, more) = (self.allocated, until - self.allocated);
            // Zeros pay when many small groups follow. A group as long as a step would write it twice.
            if bytes as u64 >= self.sizes.step_bytes {
                self.file.reserve(from, more)?;
            } else {
                self.file.allocate(from, more)?;
            }
            self.allocated = until;
        }
        Ok(())
    }

    /// Writes frames behind the tail. They count once [`Active::sync`] returned `Ok`.
    pub(crate) fn write(&mut self, frames: &[u8], crcs: &[u32]) -> io::Result<()> {
        self.file.write_at(frames, self.tail)?;
        self.tail += frames.len() as u64;
        self.frames += crcs.len() as u64;
        for crc in crcs {
            self.chain = crc32c::crc32c_append(self.chain, &crc.to_le_bytes());
        }
        Ok(())
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Writes a mark and syncs it: everything before it is durable from here on.
    pub(crate) fn mark(&mut self, next_position: u64) -> io::Result<()> {
        let mut bytes = Vec::new();
        let crc = frame::encode(&mut bytes, &self.head(Kind::Mark, next_position), |_| {});
        self.reserve(bytes.len())?;
        self.write(&bytes, &[crc])?;
        self.sync()
    }

    /// Ends the segment, durably; what is known of it then.
    pub(crate) fn seal(
        &mut self,
        next_position: u64,
        recorded_until: Timestamp,
    ) -> io::Result<SegmentFacts> {
        let body = SealBody {
            first_position: self.segment.base_position,
            next_position,
            frames: self.frames,
            chain: self.chain,
        };
        let mut bytes = Vec::new();
        let head = self.head(Kind::Seal, next_position);
        let crc = frame::encode(&mut bytes, &head, |out| body.encode(out));
        self.write(&bytes, &[crc])?;
        self.sync()?;
        Ok(SegmentFacts {
            base: self.segment.base_position,
            next: next_position,
            frames: body.frames,
            end: self.tail,
            recorded_until,
            salt: self.segment.salt,
            epoch: self.epoch,
            chain: body.chain,
        })
    }

    /// Writes the segment from `from` to the tail once more as it is read, and zeros behind it, durably.
    ///
    /// After a failed sync, the system shows bytes that it never wrote and no longer means to write; a later
    /// sync has nothing to do then and succeeds. Only writing them again makes them durable. The zeros are
    /// for the bytes of an unfinished write: they must not come to life behind a later frame of the same
    /// length.
    pub(crate) fn write_again(&self, from: u64) -> io::Result<()> {
        static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
        let mut bytes = vec![0; usize::try_from(self.tail.saturating_sub(from)).unwrap_or(0)];
        let read = self.file.read_at(&mut bytes, from)?;
        self.file.write_at(bytes.get(..read).unwrap_or_default(), from)?;
        let mut at = self.tail;
        while at < self.allocated {
            let step = (self.allocated - at).min(ZEROS.len() as u64);
            let zeros = usize::try_from(step).ok().and_then(|step| ZEROS.get(..step));
            self.file.write_at(zeros.unwrap_or(&ZEROS), at)?;
            at += step;
        }
        self.sync()
    }
}

fn temporary_name(base_position: u64) -> String {
    format!("{base_position:020}{TEMPORARY}")
}
