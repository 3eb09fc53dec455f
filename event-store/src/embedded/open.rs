//! Opening: finding the segments and their indexes, reading back what has no index, deciding where the log
//! ends, making what was found durable.
//!
//! A sealed segment with an index is not read: its header and its seal are compared with what the index says
//! of it. Damage in between is noticed when it is read, since every frame is verified each time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ledgerline_schemas::id::OrgId;
use ledgerline_schemas::{Timestamp, Version};

use super::commit::Committer;
use super::directory::Found;
use super::error::{At, OpenError};
use super::indexing::Indexer;
use super::options::Options;
use super::state::{Condition, Frozen, Shared, State, indexed_next_version};
use crate::disk::Disk;
use crate::disk::files::OpenFiles;
use crate::fault::Faults;
use crate::index::layout::SegmentFacts;
use crate::index::recent::Recent;
use crate::index::run::Run;
use crate::index::sealed::{self, Sealed};
use crate::segment::header::{HEADER_BYTES, SegmentHeader};
use crate::segment::recovery::{self, Refused, Scanned};
use crate::segment::writer::{Active, Birth};
use crate::segment::{self, Segment};

/// A log that was opened, and what drives it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) shared: Arc<Shared>,
    pub(crate) committer: Committer,
    pub(crate) indexer: Indexer,
}

/// Opens a log on a disk.
pub(crate) fn open(
    disk: Arc<dyn Disk>,
    at: &At,
    org_id: OrgId,
    options: &Options,
    faults: Faults,
) -> Result<Opened, OpenError> {
    let found = Found::in_directory(&*disk, at)?;
    let files = Arc::new(OpenFiles::new(disk, options.open_files_max));
    let sealed = Sealed::new(Arc::clone(&files), org_id, faults, options.index_fan_in);
    let state = State {
        condition: Condition::Open,
        committing: false,
        writer_waits: false,
        writer_ended: false,
        durable: 0,
        next_position: 1,
        recent: Recent::new(1),
        frozen: VecDeque::new(),
        in_flight: VecDeque::new(),
        queue: VecDeque::new(),
        queued_bytes: 0,
        last_recorded_at: Timestamp::EPOCH,
        segments: Arc::default(),
    };
    let names = found.segments;
    let mut opening = Opening { at, org_id, faults, sealed, state, epoch: 0, in_memory: false };
    let mut runs = opening.load_runs(found.indexes)?;
    let mut end = None;
    let mut ends_indexed = false;
    let mut number = 0;
    while let Some(name) = names.get(number) {
        let base = segment::base_position_of(name).unwrap_or(0);
        let next = opening.state.next_position;
        if base > next && runs.contains_key(&next) {
            let missing = segment::file_name(next);
            return Err(at.damaged(&missing, 0, "the segment is missing, its index is there"));
        }
        let run = runs.remove(&base).filter(|_| !opening.in_memory);
        let taken = match run {
            Some(run) => opening.take_run(run, names.get(number..).unwrap_or_default())?,
            None => 0,
        };
        number += taken;
        ends_indexed = taken > 0;
        if taken == 0 {
            number += 1;
            end = opening.read_segment(name, number == names.len())?;
        }
    }
    if let Some((_, run)) = runs.pop_first() {
        // An index is written when its segments are durable.
        let missing = segment::file_name(run.base());
        return Err(at.damaged(&missing, 0, "the segment is missing, its index is there"));
    }
    if ends_indexed {
        // The next segment was durable before the index of a sealed one was written.
        let missing = segment::file_name(opening.state.next_position);
        return Err(at.damaged(
            &missing,
            0,
            "the segment that follows the last sealed one is missing",
        ));
    }
    opening.settle(options, end)
}

/// The end of the log, as it was read back.
type End = Option<(Arc<Segment>, Scanned)>;

/// A log that is being opened.
struct Opening<'a> {
    at: &'a At,
    org_id: OrgId,
    faults: Faults,
    sealed: Sealed,
    state: State,
    /// Highest writer epoch so far.
    epoch: u32,
    /// Whether an index could not be written: what follows is indexed in memory.
    in_memory: bool,
}

impl Opening<'_> {
    /// Reads the index files, longest first, and leaves those aside that are damaged or that another one
    /// has taken in. Both are removed.
    fn load_runs(
        &self,
        mut indexes: Vec<(u64, u64, String)>,
    ) -> Result<BTreeMap<u64, Run>, OpenError> {
        indexes.sort_unstable_by_key(|(base, next, _)| (*base, std::cmp::Reverse(*next)));
        let mut runs = BTreeMap::new();
        let mut until = 0;
        for (base, next, name) in indexes {
            let superseded = base < until;
            if !superseded {
                match self.sealed.load(&name) {
                    Ok(run) => {
                        runs.insert(base, run);
                        until = next;
                        continue;
                    }
                    Err(error) => self.sealed.distrust(&name, &error.to_string()),
                }
            }
            self.sealed.files.forget(&name);
            let removed = self.sealed.files.disk().remove(&name);
            removed.map_err(self.at.io("removing an index that is not used"))?;
        }
        Ok(runs)
    }

    fn open_segment(&self, name: &str) -> Result<(Arc<Segment>, SegmentHeader), OpenError> {
        let at = self.at;
        let file = self.sealed.files.get(name).map_err(at.io("opening a segment"))?;
        let mut bytes = [0; HEADER_BYTES];
        let read = file.read_at(&mut bytes, 0).map_err(at.io("reading a segment header"))?;
        let header = SegmentHeader::decode(bytes.get(..read).unwrap_or_default())
            .map_err(|reason| at.damaged(name, 0, reason))?;
        if header.org_id != self.org_id {
            return Err(OpenError::OtherOrganization {
                directory: at.0.clone(),
                found: header.org_id,
                wanted: self.org_id,
            });
        }
        if segment::base_position_of(name) != Some(header.base_position) {
            return Err(at.damaged(name, 0, "the file name is not the position in the header"));
        }
        if header.base_position != self.state.next_position {
            let reason = format!("the log continues at position {}", self.state.next_position);
            return Err(at.damaged(name, 0, &reason));
        }
        let SegmentHeader { base_position, salt, .. } = header;
        let files = Arc::clone(&self.sealed.files);
        let name = name.to_owned();
        let segment = Segment { name, base_position, salt, files, faults: self.faults };
        Ok((Arc::new(segment), header))
    }

    fn add_segment(&mut self, segment: Arc<Segment>, next: u64, recorded_until: Timestamp) {
        Arc::make_mut(&mut self.state.segments).push(segment);
        self.state.next_position = next;
        self.state.durable = next.saturating_sub(1);
        self.state.last_recorded_at = self.state.last_recorded_at.max(recorded_until);
    }

    /// Takes the segments of a run without reading them, if header and seal are as the index says. How many;
    /// 0 when the index is not of these segments.
    fn take_run(&mut self, run: Run, names: &[String]) -> Result<usize, OpenError> {
        let mut segments = Vec::with_capacity(run.facts.len());
        let before = self.state.next_position;
        for (number, facts) in run.facts.iter().enumerate() {
            let wanted = segment::file_name(facts.base);
            let Some(name) = names.get(number).filter(|name| **name == wanted) else {
                let reason = "the segment is missing, its index is there";
                return Err(self.at.damaged(&wanted, 0, reason));
            };
            let (segment, header) = self.open_segment(name)?;
            let sealed = recovery::is_sealed_as(&segment, facts)
                .map_err(self.at.io("reading a segment's seal"))?;
            if !sealed || header.epoch < self.epoch {
                let reason = format!("it does not fit the seal of {name}");
                self.sealed.distrust(&run.name, &reason);
                self.state.next_position = before;
                self.remove_run(run)?;
                return Ok(0);
            }
            self.state.next_position = facts.next;
            segments.push((segment, *facts));
        }
        self.state.next_position = before;
        for (segment, facts) in segments {
            self.epoch = self.epoch.max(facts.epoch);
            self.add_segment(segment, facts.next, facts.recorded_until);
        }
        let taken = run.facts.len();
        self.state.recent = Recent::new(run.next());
        self.sealed.push(Arc::new(run));
        Ok(taken)
    }

    fn remove_run(&self, run: Run) -> Result<(), OpenError> {
        let name = run.name.clone();
        drop(run);
        self.sealed.files.forget(&name);
        let removed = self.sealed.files.disk().remove(&name);
        removed.map_err(self.at.io("removing an index that is not used"))
    }

    /// Reads a segment that has no index, and writes the index if the segment is not the last. The segment,
    /// if it is the last.
    fn read_segment(&mut self, name: &str, last: bool) -> Result<End, OpenError> {
        let (segment, header) = self.open_segment(name)?;
        let mut recent = Recent::new(header.base_position);
        let mut runs = self.sealed.runs();
        let (state, sealed) = (&self.state, &self.sealed);
        let epoch = header.epoch.max(self.epoch);
        let scanned = recovery::scan(&segment, epoch, last, |frame, offset| {
            sealed::load(&mut recent, frame, offset, |hash, name, _| {
                let known = state.frozen.iter().rev().map(|frozen| &frozen.recent);
                if let Some(next) = known.filter_map(|it| it.next_version(hash, name)).next() {
                    return Ok(next);
                }
                indexed_next_version(sealed, &mut runs, hash, name)
                    .map(Version)
                    .map_err(Refused::Because)
            })
        })
        .map_err(|problem| self.at.problem(problem))?;
        self.epoch = scanned.epoch;
        let recorded_until = recent.recorded_until.max(self.state.last_recorded_at);
        self.add_segment(Arc::clone(&segment), scanned.next_position, recorded_until);
        let facts = SegmentFacts {
            base: segment.base_position,
            next: scanned.next_position,
            frames: scanned.frames,
            end: scanned.tail,
            recorded_until,
            salt: segment.salt,
            epoch: scanned.epoch,
            chain: scanned.chain,
        };
        if last && !scanned.sealed {
            self.state.recent = recent;
        } else {
            self.state.recent = Recent::new(facts.next);
            self.freeze(recent, facts, last);
        }
        Ok(last.then_some((segment, scanned)))
    }

    /// Indexes a sealed segment on disk, or in memory: the last one may not be durable yet, and when an index
    /// cannot be written the log opens without it.
    fn freeze(&mut self, mut recent: Recent, facts: SegmentFacts, last: bool) {
        if facts.base == facts.next {
            return;
        }
        recent.end = facts.next;
        if !last && !self.in_memory {
            match self.sealed.write(&recent, facts) {
                Ok(run) => {
                    self.sealed.push(run);
                    self.merge();
                    return;
                }
                Err(error) => {
                    tracing::warn!(segment = facts.base, %error, "an index cannot be written");
                    self.in_memory = true;
                }
            }
        }
        self.state.frozen.push_back(Arc::new(Frozen { recent, facts }));
    }

    /// Keeps the number of runs low while a long log without indexes is read.
    fn merge(&self) {
        loop {
            match self.sealed.merge(&|| true) {
                Ok(true) => {}
                Ok(false) => return,
                Err(problem) => {
                    tracing::warn!(?problem, "indexes cannot be merged");
                    return;
                }
            }
        }
    }

    /// Makes the end of the log ready for appends, and everything that was found durable: after a crash of the
    /// process alone, what was read may be in the page cache only.
    fn settle(mut self, options: &Options, end: End) -> Result<Opened, OpenError> {
        let epoch = self.epoch.saturating_add(1);
        let active = self.settled(options, epoch, end)?;
        let (org_id, faults) = (self.org_id, self.faults);
        let shared = Arc::new(Shared::new(org_id, options.clone(), self.sealed, self.state));
        let committer = Committer::new(Arc::clone(&shared), active, epoch, faults);
        let indexer = Indexer::new(Arc::clone(&shared));
        Ok(Opened { shared, committer, indexer })
    }

    fn settled(&mut self, options: &Options, epoch: u32, end: End) -> Result<Active, OpenError> {
        let (at, faults) = (self.at, self.faults);
        let files = Arc::clone(&self.sealed.files);
        let state = &mut self.state;
        if !faults.no_sync_at_open() {
            files.disk().sync_directory().map_err(at.io("syncing the directory"))?;
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
            org_id: self.org_id,
            base_position: state.next_position,
            salt: (options.salt)().map_err(at.io("drawing a salt"))?,
            epoch,
            created_at: (options.clock)(),
        };
        let active = Active::prepare(&files, &birth, sizes, faults)
            .and_then(|active| active.adopt().map(|()| active))
            .map_err(at.io("making a segment"))?;
        let segments = Arc::make_mut(&mut state.segments);
        // A sealed segment without events gives its name to the new one.
        segments.retain(|segment| segment.base_position < birth.base_position);
        segments.push(Arc::clone(active.segment()));
        Ok(active)
    }
}
