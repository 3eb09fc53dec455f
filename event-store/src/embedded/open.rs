//! Opening: reading the segments back, deciding where the log ends, making what was found durable.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::OrgId;

use super::checkpoints;
use super::commit::Committer;
use super::error::{At, OpenError};
use super::options::Options;
use super::state::{Condition, Shared, State};
use crate::disk::Disk;
use crate::fault::Faults;
use crate::index::ids::Ids;
use crate::index::places::{Place, Places};
use crate::index::streams::Streams;
use crate::segment::frame::Frame;
use crate::segment::header::{HEADER_BYTES, SegmentHeader};
use crate::segment::record::Records;
use crate::segment::recovery::{self, Scanned};
use crate::segment::writer::{Active, Birth, TEMPORARY};
use crate::segment::{self, Segment};

/// Opens a log on a disk and returns what its handles share, and its writer.
pub(crate) fn open(
    disk: Arc<dyn Disk>,
    at: &At,
    org_id: OrgId,
    options: &Options,
    faults: Faults,
) -> Result<(Arc<Shared>, Committer), OpenError> {
    let names = segment_names(&*disk, at)?;
    let mut state = State {
        condition: Condition::Open,
        durable: 0,
        next_position: 1,
        streams: Streams::default(),
        ids: Ids::default(),
        pending: BTreeMap::new(),
        queue: VecDeque::new(),
        queued_bytes: 0,
        last_recorded_at: Timestamp::EPOCH,
        segments: Vec::new(),
        places: Places::default(),
    };
    let mut epoch = 0;
    let mut end = None;
    for (number, name) in names.iter().enumerate() {
        let last = number + 1 == names.len();
        let (segment, header) = open_segment(&*disk, at, name, org_id, faults)?;
        if segment.base_position != state.next_position {
            let reason = format!("the log continues at position {}", state.next_position);
            return Err(at.damaged(name, 0, &reason));
        }
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let scanned = recovery::scan(&segment, header.epoch.max(epoch), last, |frame, offset| {
            state.load(frame, number, offset)
        })
        .map_err(|problem| at.problem(problem))?;
        epoch = scanned.epoch;
        state.segments.push(Arc::clone(&segment));
        end = Some((segment, scanned));
    }
    let epoch = epoch.saturating_add(1);
    let active = settle(&*disk, at, org_id, options, faults, epoch, end, &mut state)?;
    let number = u32::try_from(state.segments.len().saturating_sub(1)).unwrap_or(u32::MAX);
    let shared = Arc::new(Shared::new(org_id, options.clone(), state));
    let committer = Committer::new(Arc::clone(&shared), disk, active, number, epoch, faults);
    Ok((shared, committer))
}

/// The segments in order. Leftovers of segments that never became part of the log are removed.
fn segment_names(disk: &dyn Disk, at: &At) -> Result<Vec<String>, OpenError> {
    let mut names = Vec::new();
    let mut leftovers = Vec::new();
    for name in disk.list().map_err(at.io("listing the directory"))? {
        if segment::base_position_of(&name).is_some() {
            names.push(name);
        } else if name.ends_with(TEMPORARY) {
            leftovers.push(name);
        } else if name != checkpoints::FILE_NAME && !crate::engine::is_mirror_file(&name) {
            return Err(OpenError::Foreign { directory: at.0.clone(), name });
        }
    }
    for name in leftovers {
        disk.remove(&name).map_err(at.io("removing an unfinished segment"))?;
    }
    names.sort_unstable();
    Ok(names)
}

fn open_segment(
    disk: &dyn Disk,
    at: &At,
    name: &str,
    org_id: OrgId,
    faults: Faults,
) -> Result<(Arc<Segment>, SegmentHeader), OpenError> {
    let file = disk.open(name).map_err(at.io("opening a segment"))?;
    let mut bytes = [0; HEADER_BYTES];
    let read = file.read_at(&mut bytes, 0).map_err(at.io("reading a segment header"))?;
    let header = SegmentHeader::decode(bytes.get(..read).unwrap_or_default())
        .map_err(|reason| at.damaged(name, 0, reason))?;
    if header.org_id != org_id {
        return Err(OpenError::OtherOrganization {
            directory: at.0.clone(),
            found: header.org_id,
            wanted: org_id,
        });
    }
    if segment::base_position_of(name) != Some(header.base_position) {
        return Err(at.damaged(name, 0, "the file name is not the position in the header"));
    }
    let SegmentHeader { base_position, salt, .. } = header;
    let segment = Segment { name: name.to_owned(), base_position, salt, file, faults };
    Ok((Arc::new(segment), header))
}

/// Makes the end of the log ready for appends, and everything that was found durable: after a crash of the
/// process alone, what was read may be in the page cache only.
#[expect(clippy::too_many_arguments, reason = "one step of opening, split off for its length")]
fn settle(
    disk: &dyn Disk,
    at: &At,
    org_id: OrgId,
    options: &Options,
    faults: Faults,
    epoch: u32,
    end: Option<(Arc<Segment>, Scanned)>,
    state: &mut State,
) -> Result<Active, OpenError> {
    if !faults.no_sync_at_open() {
        disk.sync_directory().map_err(at.io("syncing the directory"))?;
    }
    let sizes = options.sizes();
    if let Some((segment, scanned)) = end {
        let mut active = Active::resume(segment, &scanned, epoch, sizes)
            .map_err(at.io("reading a segment's length"))?;
        if let Some(until) = scanned.torn_until {
            tracing::warn!(
                segment = %active.segment().name,
                offset = scanned.tail,
                bytes = until - scanned.tail,
                "an unfinished last write was discarded"
            );
        }
        // Before the mark is written: a mark that outlives what it vouches for would look like damage.
        if faults.sync_only_at_open() || faults.keep_torn_tail() {
            active.sync().map_err(at.io("syncing a segment"))?;
        } else if !faults.no_sync_at_open() {
            active
                .write_again(scanned.last_write)
                .map_err(at.io("making a segment's end durable"))?;
        }
        if !scanned.sealed {
            if !faults.no_sync_at_open() {
                active.mark(state.next_position).map_err(at.io("marking the end"))?;
            }
            return Ok(active);
        }
    }
    let birth = Birth {
        org_id,
        base_position: state.next_position,
        salt: (options.salt)().map_err(at.io("drawing a salt"))?,
        epoch,
        created_at: (options.clock)(),
    };
    let active = Active::prepare(disk, &birth, sizes, faults)
        .and_then(|active| active.adopt(disk).map(|()| active))
        .map_err(at.io("making a segment"))?;
    state.segments.push(Arc::clone(active.segment()));
    Ok(active)
}

impl State {
    /// Takes the events of a stored frame into the indexes.
    fn load(&mut self, frame: &Frame<'_>, segment: u32, offset: u64) -> Result<(), String> {
        let base = frame.head.base_position;
        self.places.note(Place { position: base, segment, offset });
        let mut records = Records::new(frame.body);
        for position in base..frame.next_position() {
            let record =
                records.read().ok_or_else(|| format!("position {position} is no event"))?;
            let version = self.streams.push(record.stream, position);
            if version != record.version {
                return Err(format!(
                    "position {position} has version {} of stream {}, not {version}",
                    record.version, record.stream
                ));
            }
            self.ids.insert(record.id, position);
        }
        self.next_position = frame.next_position();
        self.durable = self.next_position.saturating_sub(1);
        self.last_recorded_at =
            self.last_recorded_at.max(Timestamp::from_micros(frame.head.recorded_at_micros));
        Ok(())
    }
}
