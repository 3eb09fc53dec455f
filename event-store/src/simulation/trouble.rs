//! A life on a disk that fails: input and output errors, no space, syncs that fail.
//!
//! What is promised then: nobody is told that an append is safe when it is not; an append that was refused
//! is not in the log; after a failed sync nothing more is taken until the log is opened again; what was
//! there can be read all the time. After the failure the log is opened on what the system shows, or on what
//! the power left, and held against the ledger as ever.

use std::future::Future as _;
use std::io::ErrorKind;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::image::after_power_cut;
use super::life::{self, Plan};
use super::random::Random;
use super::truth::Truth;
use super::{Report, next_plan, power_cut};
use crate::disk::sim::{SimDisk, Trouble};
use crate::embedded::commit::Committer;
use crate::embedded::{EmbeddedLog, OpenError};
use crate::log::{AppendError, EventWriter as _, Submitted};

/// Operations of a life within which the trouble begins.
const OPERATIONS_MAX: u64 = 40;
const GROUPS: u64 = 6;

/// What became of a log that met trouble.
enum End {
    /// It was never opened.
    NotOpened,
    /// It took no more appends.
    Poisoned,
    /// It went on to the end.
    WentOn,
}

/// Lets a log live well, then meet trouble, then live again.
pub(super) fn meet(
    plan: &Plan,
    earlier: &[Vec<u8>],
    random: &mut Random,
    report: &mut Report,
) -> Result<(), String> {
    let good = Plan { groups: random.below(4), close: random.one_in(2), ..*plan };
    let disk = SimDisk::new(Default::default(), &[], plan.variant.skips());
    let life = life::live(disk, Truth::default(), &good)?;
    let (disk, mut truth) = (life.disk.clone(), life.truth.clone());
    let trouble = Trouble {
        after: random.index(usize::try_from(OPERATIONS_MAX).unwrap_or(1)),
        error: if random.one_in(3) { ErrorKind::StorageFull } else { ErrorKind::Other },
        lasts: random.one_in(3),
        parts: 4,
        done: random.index(5),
    };
    disk.trouble(Some(trouble));
    let bad = Plan { groups: GROUPS, ..next_plan(plan, GROUPS, random) };
    let end =
        suffer(&disk, &mut truth, &bad, random).map_err(|what| format!("{trouble:?}: {what}"))?;
    disk.trouble(None);
    let failed = disk.lock().failures;
    report.failed_operations += failed;
    if failed == 0 && !matches!(end, End::WentOn) {
        return Err("the log stopped on a disk without trouble".to_owned());
    }
    again(&disk, &truth, plan, earlier, random, report)
        .map_err(|what| format!("after {trouble:?}: {what}"))
}

/// Opens the log on what the system shows and on what the power leaves.
fn again(
    disk: &SimDisk,
    truth: &Truth,
    plan: &Plan,
    earlier: &[Vec<u8>],
    random: &mut Random,
    report: &mut Report,
) -> Result<(), String> {
    report.power_cuts += 1;
    let image = {
        let contents = disk.lock();
        after_power_cut(&contents, contents.ops.len(), earlier, random)
    };
    let cut = SimDisk::new(image, &[], plan.variant.skips());
    life::live(cut, truth.clone(), &next_plan(plan, 1, random))
        .map_err(|what| format!("the power went: {what}"))?;
    let restarted = life::live(disk.clone(), truth.clone(), &next_plan(plan, 2, random))
        .map_err(|what| format!("the process restarted: {what}"))?;
    for cut in restarted.cuts() {
        power_cut(&restarted, cut, earlier, plan, false, random, report)
            .map_err(|what| format!("restarted, then the power went after {cut}: {what}"))?;
    }
    Ok(())
}

/// Opens, appends and commits until the end or until the log takes nothing more.
fn suffer(
    disk: &SimDisk,
    truth: &mut Truth,
    plan: &Plan,
    random: &mut Random,
) -> Result<End, String> {
    let vault = match life::vault_on(disk, plan) {
        Ok(vault) => vault,
        Err(OpenError::Io { .. }) => return Ok(End::NotOpened),
        Err(error) => return Err(format!("trouble was taken for something else: {error}")),
    };
    let (shared, mut committer) = match life::open_vault(&vault, plan) {
        Ok(opened) => opened,
        Err(OpenError::Io { .. }) => return Ok(End::NotOpened),
        Err(error) => return Err(format!("trouble was taken for something else: {error}")),
    };
    let log = EmbeddedLog::driven(std::sync::Arc::clone(&shared));
    truth.settle(&log)?;
    for _ in 0..plan.groups {
        let mut waiting = Vec::new();
        for _ in 0..=random.below(3) {
            let append = truth.next_append(plan.tag, random);
            let events = append.events.clone();
            let submitted = log.submit(append).map_err(|error| error.to_string())?;
            truth.note(events, &submitted.appended);
            waiting.push(submitted);
        }
        committer.commit(shared.waiting_group());
        if answers(waiting, truth)? {
            truth.shows(&log)?;
            return refuses(&log, truth, plan, &mut committer, random);
        }
        truth.shows(&log)?;
        if random.one_in(2) {
            // What does not get packed stays as it is, and everything goes on.
            let _ = life::pack_due(&vault);
            truth.shows(&log)?;
        }
    }
    if plan.close {
        shared.close();
        committer.finish();
    }
    Ok(End::WentOn)
}

/// Takes the answers of a group; whether one of them was that the outcome is unknown.
fn answers(waiting: Vec<Submitted>, truth: &mut Truth) -> Result<bool, String> {
    let mut context = Context::from_waker(Waker::noop());
    let mut unknown = false;
    let mut refused = None;
    for mut submitted in waiting {
        let first = submitted.appended.first.0;
        match Pin::new(&mut submitted).poll(&mut context) {
            Poll::Pending => return Err("an append was never answered".to_owned()),
            Poll::Ready(Ok(appended)) if unknown || refused.is_some() => {
                return Err(format!("{appended:?} was acknowledged behind one that was not"));
            }
            Poll::Ready(Ok(appended)) => truth.claimed = truth.claimed.max(appended.last.0),
            Poll::Ready(Err(AppendError::Unavailable { .. })) => {
                refused = refused.or(Some(first));
            }
            Poll::Ready(Err(AppendError::Unknown { .. })) => unknown = true,
            Poll::Ready(Err(error)) => return Err(error.to_string()),
        }
    }
    match refused {
        Some(_) if unknown => Err("one group was both refused and unknown".to_owned()),
        Some(first) => {
            truth.never_was(first);
            Ok(false)
        }
        None => Ok(unknown),
    }
}

/// A log with an unknown outcome takes nothing more.
fn refuses(
    log: &EmbeddedLog,
    truth: &Truth,
    plan: &Plan,
    committer: &mut Committer,
    random: &mut Random,
) -> Result<End, String> {
    match log.submit(truth.next_append(plan.tag, random)) {
        Err(AppendError::Unknown { .. } | AppendError::Unavailable { .. }) => {}
        Err(error) => return Err(format!("a poisoned log refused for another reason: {error}")),
        Ok(_) => return Err("a log went on after an unknown outcome".to_owned()),
    }
    committer.finish();
    Ok(End::Poisoned)
}
