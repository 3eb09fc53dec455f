//! The crash simulation: the log as it is, on a disk that loses power.
//!
//! A seed decides a history of appends. The disk writes down every operation; between any two of them the
//! power may go away, and what was not synced then is lost, torn or reordered. The log is opened on what is
//! left, must hold everything it had acknowledged or shown, nothing that was never appended, and no part
//! of an append; it then goes on, and the power may go away again. Nothing here knows how the log works.
//!
//! The disk may also fail: see [`trouble`]. And it may lie: see [`damage`].
//!
//! The same histories run against deliberately broken variants. A simulation that does not catch them all
//! proves nothing about the good one.

mod damage;
pub(crate) mod image;
mod life;
pub(crate) mod random;
mod trouble;
mod truth;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use crate::disk::sim::{SimDisk, Skips};
use crate::fault::{FaultSet, Faults};
use image::after_power_cut;
use life::{Life, Plan};
use random::Random;
use truth::Truth;

/// Tells the contents of one life from those of an earlier one on the same disk.
const EARLIER_LIFE: u64 = 0xA5A5_0000_0000_5A5A;
/// A second crash follows this one of so many first crashes.
const SECOND_CRASH_ONE_IN: u64 = 4;

/// The log, or the log with one deliberate mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// As it is.
    Correct,
    /// Never syncs data.
    NoSync,
    /// Acknowledges before the sync.
    AcknowledgeBeforeSync,
    /// Shows events to readers before the sync.
    VisibleBeforeDurable,
    /// Does not compare checksums.
    NoCrc,
    /// Gives every segment the same salt.
    NoSalt,
    /// Never syncs the directory.
    NoDirectorySync,
    /// Cuts the log at the first bad frame, whatever follows.
    CutAtAnyDamage,
    /// Shows what it finds at opening without making it durable.
    NoSyncAtOpen,
    /// Makes what it finds at opening durable by a sync alone, without writing it again.
    SyncOnlyAtOpen,
    /// Syncs again after a failed sync and takes that for success.
    RetryFailedSync,
    /// Believes index files without comparing checksums.
    IndexWithoutCrc,
    /// Gives an index file its name before its bytes are durable.
    IndexRenamedBeforeSync,
    /// Gives a packed segment its name before its sync.
    PackWithoutSync,
    /// Removes a segment file before the packed one has its name.
    RemoveBeforePacking,
    /// Writes the head of an encrypted file after the file's first sync.
    HeadAfterSync,
    /// Encrypts a block that is written in part as if the rest of it were zeros.
    SharedBlockForgotten,
}

/// How the files of a simulated log are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtRest {
    /// In clear.
    Clear,
    /// Encrypted. Now and then a life makes files in clear beside them, as if encryption had been turned off.
    Encrypted,
}

impl AtRest {
    /// Both, in turn.
    #[must_use]
    pub const fn of_turn(turn: u64) -> Self {
        if turn.is_multiple_of(2) { Self::Clear } else { Self::Encrypted }
    }
}

impl Variant {
    /// Every broken variant.
    pub const BROKEN: [Self; 16] = [
        Self::NoSync,
        Self::AcknowledgeBeforeSync,
        Self::VisibleBeforeDurable,
        Self::NoCrc,
        Self::NoSalt,
        Self::NoDirectorySync,
        Self::CutAtAnyDamage,
        Self::NoSyncAtOpen,
        Self::SyncOnlyAtOpen,
        Self::RetryFailedSync,
        Self::IndexWithoutCrc,
        Self::IndexRenamedBeforeSync,
        Self::PackWithoutSync,
        Self::RemoveBeforePacking,
        Self::HeadAfterSync,
        Self::SharedBlockForgotten,
    ];

    /// Whether the mistake does harm to files that are kept so.
    #[must_use]
    pub const fn harms(self, at_rest: AtRest) -> bool {
        match self {
            Self::HeadAfterSync | Self::SharedBlockForgotten => {
                matches!(at_rest, AtRest::Encrypted)
            }
            // What an earlier file left on the disk was encrypted with other keys, and is noise to this one.
            Self::NoSalt => matches!(at_rest, AtRest::Clear),
            _ => true,
        }
    }

    fn faults(self) -> Faults {
        let set = FaultSet {
            acknowledge_before_sync: self == Self::AcknowledgeBeforeSync,
            visible_before_durable: self == Self::VisibleBeforeDurable,
            no_crc: self == Self::NoCrc,
            cut_at_any_damage: self == Self::CutAtAnyDamage,
            no_sync_at_open: self == Self::NoSyncAtOpen,
            sync_only_at_open: self == Self::SyncOnlyAtOpen,
            retry_failed_sync: self == Self::RetryFailedSync,
            index_without_crc: self == Self::IndexWithoutCrc,
            index_renamed_before_sync: self == Self::IndexRenamedBeforeSync,
            pack_without_sync: self == Self::PackWithoutSync,
            remove_before_packing: self == Self::RemoveBeforePacking,
            head_after_sync: self == Self::HeadAfterSync,
            shared_block_forgotten: self == Self::SharedBlockForgotten,
            ..FaultSet::default()
        };
        Faults { set }
    }

    fn skips(self) -> Skips {
        Skips { data: self == Self::NoSync, directory: self == Self::NoDirectorySync }
    }
}

/// A promise that was broken, and the seed that shows it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// Where and what.
    pub what: String,
}

/// What a simulation went through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Histories.
    pub histories: u64,
    /// Simulated power cuts, each followed by a reopening.
    pub power_cuts: u64,
    /// Processes killed while the system lived on.
    pub kills: u64,
    /// Operations of the disk that failed.
    pub failed_operations: u64,
    /// Places damaged.
    pub damages: u64,
    /// Broken promises; at most one for each seed.
    pub failures: Vec<Failure>,
}

impl Report {
    /// Adds what another part of the same simulation went through.
    pub fn add(&mut self, other: Self) {
        self.histories += other.histories;
        self.power_cuts += other.power_cuts;
        self.kills += other.kills;
        self.failed_operations += other.failed_operations;
        self.damages += other.damages;
        self.failures.extend(other.failures);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} histories, {} power cuts, {} kills, {} failed operations, {} damaged places, \
             {} failures",
            self.histories,
            self.power_cuts,
            self.kills,
            self.failed_operations,
            self.damages,
            self.failures.len()
        )?;
        for failure in &self.failures {
            write!(f, "\nseed {}: {}", failure.seed, failure.what)?;
        }
        Ok(())
    }
}

/// Runs the history of every seed, with a power cut at every boundary between disk operations.
#[must_use]
pub fn simulate(seeds: Range<u64>, variant: Variant, at_rest: AtRest) -> Report {
    let mut report = Report::default();
    for seed in seeds {
        report.histories += 1;
        if let Err(what) = history(seed, variant, at_rest, &mut report) {
            report.failures.push(Failure { seed, what });
        }
    }
    report
}

fn history(
    seed: u64,
    variant: Variant,
    at_rest: AtRest,
    report: &mut Report,
) -> Result<(), String> {
    let mut random = Random::new(seed ^ 0xC0FFEE);
    let groups = 4 + random.below(10);
    let plan = Plan { variant, at_rest, seed, tag: 0, groups, close: random.one_in(2) };
    let earlier = earlier_files(&plan)?;
    let disk = SimDisk::new(Default::default(), &[], variant.skips());
    let first = life::live(disk, Truth::default(), &plan)?;
    for cut in first.cuts() {
        for _ in 0..3 {
            let again = random.one_in(SECOND_CRASH_ONE_IN);
            power_cut(&first, cut, &earlier, &plan, again, &mut random, report)
                .map_err(|what| format!("power cut after {cut} disk operations: {what}"))?;
        }
        if random.one_in(4) {
            kill(&first, cut, &earlier, &plan, &mut random, report)
                .map_err(|what| format!("process killed after {cut} disk operations: {what}"))?;
        }
    }
    for _ in 0..4 {
        trouble::meet(&plan, &earlier, &mut random, report)?;
    }
    for _ in 0..12 {
        report.damages += u64::from(damage::strike(&first, &plan, &earlier, &mut random)?);
    }
    Ok(())
}

/// What an earlier log with the same history left on the disk: the bytes that a file may show where its
/// own were lost.
fn earlier_files(plan: &Plan) -> Result<Vec<Vec<u8>>, String> {
    let disk = SimDisk::new(Default::default(), &[], plan.variant.skips());
    let plan = Plan { tag: EARLIER_LIFE, ..*plan };
    let earlier = life::live(disk, Truth::default(), &plan)?;
    let inodes = earlier.disk.lock().inodes.clone();
    Ok(inodes)
}

/// The next life of a log whose last one ended behind `cut` operations.
fn next_plan(plan: &Plan, groups: u64, random: &mut Random) -> Plan {
    Plan { seed: random.next(), tag: plan.tag + 1, groups, close: random.one_in(4), ..*plan }
}

fn power_cut(
    life: &Life,
    cut: usize,
    earlier: &[Vec<u8>],
    plan: &Plan,
    again: bool,
    random: &mut Random,
    report: &mut Report,
) -> Result<(), String> {
    report.power_cuts += 1;
    let image = after_power_cut(&life.disk.lock(), cut, earlier, random);
    let disk = SimDisk::new(image, &[], plan.variant.skips());
    let plan = next_plan(plan, if again { 2 } else { 1 }, random);
    let next = life::live(disk, life.truth_at(cut), &plan)?;
    if again {
        let cuts = next.cuts();
        let cut =
            if random.one_in(2) { cuts.end - 1 } else { cuts.start + random.index(cuts.len()) };
        power_cut(&next, cut, earlier, &plan, random.one_in(3), random, report)
            .map_err(|what| format!("then after {cut} more: {what}"))?;
    }
    Ok(())
}

/// The process goes away, the system stays: what was written is there, synced or not. Then the power goes.
fn kill(
    life: &Life,
    cut: usize,
    earlier: &[Vec<u8>],
    plan: &Plan,
    random: &mut Random,
    report: &mut Report,
) -> Result<(), String> {
    report.kills += 1;
    let disk = {
        let contents = life.disk.lock();
        let ops = contents.ops.get(..cut).unwrap_or(&contents.ops);
        SimDisk::new(contents.base.clone(), ops, plan.variant.skips())
    };
    let plan = next_plan(plan, 1, random);
    let next = life::live(disk, life.truth_at(cut), &plan)?;
    for cut in next.cuts() {
        power_cut(&next, cut, earlier, &plan, false, random, report)
            .map_err(|what| format!("then power cut after {cut}: {what}"))?;
    }
    Ok(())
}
