//! The index of all sealed segments: which runs there are now, and how they change.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use ledgerline_schemas::Version;
use ledgerline_schemas::id::OrgId;

use super::IndexError;
use super::hash;
use super::layout::{SegmentFacts, file_name};
use super::merge;
use super::recent::Recent;
use super::run::Run;
use super::runs::Runs;
use super::write;
use crate::disk::files::OpenFiles;
use crate::fault::Faults;
use crate::segment::Segment;
use crate::segment::frame::Frame;
use crate::segment::record::Records;
use crate::segment::recovery::{self, Problem, Refused};

/// The runs of a log. Readers take what there is at one time and keep it.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) files: Arc<OpenFiles>,
    org_id: OrgId,
    faults: Faults,
    /// How many runs are merged into one.
    fan_in: usize,
    runs: RwLock<Arc<Runs>>,
    /// Held by whoever changes the runs.
    changing: Mutex<()>,
    damaged: AtomicU64,
}

impl Sealed {
    pub(crate) fn new(files: Arc<OpenFiles>, org_id: OrgId, faults: Faults, fan_in: usize) -> Self {
        Self {
            files,
            org_id,
            faults,
            fan_in,
            runs: RwLock::default(),
            changing: Mutex::new(()),
            damaged: AtomicU64::new(0),
        }
    }

    /// The runs there are now.
    pub(crate) fn runs(&self) -> Arc<Runs> {
        Arc::clone(&self.runs.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, runs: Runs) {
        *self.runs.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(runs);
    }

    /// Index files that were found damaged since the log was opened.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Reads a run from its file.
    pub(crate) fn load(&self, name: &str) -> Result<Run, IndexError> {
        Run::load(&self.files, name, self.org_id, self.faults)
    }

    /// Says that an index file is not believed.
    pub(crate) fn distrust(&self, file: &str, reason: &str) {
        self.damaged.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(file, reason, "an index file is damaged and is made again");
    }

    /// Adds a run that follows the ones there are.
    pub(crate) fn push(&self, run: Arc<Run>) {
        let mut runs = (*self.runs()).clone();
        runs.push(run);
        self.set(runs);
    }

    /// Writes the index of a sealed segment; it is not used before it is pushed.
    pub(crate) fn write(
        &self,
        recent: &Recent,
        facts: SegmentFacts,
    ) -> Result<Arc<Run>, IndexError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.write_one(recent, facts)
    }

    fn write_one(&self, recent: &Recent, facts: SegmentFacts) -> Result<Arc<Run>, IndexError> {
        write::write_recent(&self.files, self.org_id, recent, facts, self.faults)?;
        self.load(&file_name(facts.base, facts.next)).map(Arc::new)
    }

    /// Asks the runs. A run that turns out to be damaged is made again from its segments, and asked again.
    pub(crate) fn ask<T>(
        &self,
        runs: &mut Arc<Runs>,
        question: impl Fn(&Runs) -> Result<T, IndexError>,
    ) -> Result<T, Problem> {
        loop {
            match question(runs) {
                Ok(answer) => return Ok(answer),
                Err(IndexError::Io(error)) => return Err(Problem::Io(error)),
                Err(IndexError::Damaged { file, reason }) => {
                    self.rebuild(&file, reason)?;
                    *runs = self.runs();
                }
            }
        }
    }

    /// Makes one merge if one is due; whether it was made.
    pub(crate) fn merge(&self, wanted: &dyn Fn() -> bool) -> Result<bool, Problem> {
        let damage = {
            let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
            let mut runs = (*self.runs()).clone();
            let Some(range) = runs.merge_due(self.fan_in) else { return Ok(false) };
            let parts = runs.all().get(range.clone()).unwrap_or_default().to_vec();
            match self.merged(&parts, wanted) {
                Ok(None) => return Ok(false),
                Ok(Some(merged)) => {
                    runs.replace(range, vec![Arc::new(merged)]);
                    self.set(runs);
                    parts.iter().for_each(|run| run.replace());
                    return Ok(true);
                }
                Err(IndexError::Io(error)) => return Err(Problem::Io(error)),
                Err(IndexError::Damaged { file, reason }) => (file, reason),
            }
        };
        self.rebuild(&damage.0, damage.1)?;
        Ok(true)
    }

    fn merged(
        &self,
        parts: &[Arc<Run>],
        wanted: &dyn Fn() -> bool,
    ) -> Result<Option<Run>, IndexError> {
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return Ok(None) };
        if !merge::merge(&self.files, parts, self.faults, wanted)? {
            return Ok(None);
        }
        self.load(&file_name(first.base(), last.next())).map(Some)
    }

    /// Makes the index of a run's segments again.
    fn rebuild(&self, file: &str, reason: &str) -> Result<(), Problem> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut runs = (*self.runs()).clone();
        let Some(number) = runs.all().iter().position(|run| run.name == file) else {
            return Ok(());
        };
        self.distrust(file, reason);
        let Some(old) = runs.all().get(number).map(Arc::clone) else { return Ok(()) };
        let mut made = Vec::with_capacity(old.facts.len());
        for facts in &old.facts {
            let recent = self.read_back(facts)?;
            let run = self.write_one(&recent, *facts).map_err(|error| match error {
                IndexError::Io(error) => Problem::Io(error),
                IndexError::Damaged { file, reason } => {
                    Problem::Io(std::io::Error::other(format!("{file} was just written: {reason}")))
                }
            })?;
            made.push(run);
        }
        if made.iter().all(|run| run.name != old.name) {
            old.replace();
        }
        runs.replace(number..number + 1, made);
        self.set(runs);
        Ok(())
    }

    /// Indexes a sealed segment by reading it.
    fn read_back(&self, facts: &SegmentFacts) -> Result<Recent, Problem> {
        let segment = Arc::new(Segment {
            name: crate::segment::file_name(facts.base),
            base_position: facts.base,
            salt: facts.salt,
            files: Arc::clone(&self.files),
            faults: self.faults,
        });
        let mut recent = Recent::new(facts.base);
        recovery::scan(&segment, 0, false, |frame, offset| {
            load(&mut recent, frame, offset, |_, _, stored| Ok(stored))
        })?;
        recent.end = facts.next;
        Ok(recent)
    }
}

/// Takes the events of a stored frame into an index. `first_version` says which version the first event of
/// a stream in this segment must have; it is shown the stored one.
pub(crate) fn load(
    recent: &mut Recent,
    frame: &Frame<'_>,
    offset: u64,
    mut first_version: impl FnMut(u64, &str, Version) -> Result<Version, Refused>,
) -> Result<(), Refused> {
    let base = frame.head.base_position;
    let recorded_at = ledgerline_schemas::Timestamp::from_micros(frame.head.recorded_at_micros);
    recent.note(base, offset, recorded_at);
    let mut records = Records::new(frame.body);
    for position in base..frame.next_position() {
        let record = records
            .read()
            .ok_or_else(|| Refused::Frame(format!("position {position} is no event")))?;
        let stream = hash::of_stream(record.stream);
        let first = match recent.stream(stream, record.stream) {
            Some(known) => known.first_version,
            None => first_version(stream, record.stream, record.version)?.0,
        };
        let (_, version) = recent.push(stream, record.stream, first, position);
        if version != record.version {
            return Err(Refused::Frame(format!(
                "position {position} has version {} of stream {}, not {version}",
                record.version, record.stream
            )));
        }
        recent.insert_id(hash::of_id(record.id), position);
    }
    Ok(())
}
