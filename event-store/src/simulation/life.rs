//! One life of a log: it is opened on a disk, takes appends for a while, and leaves behind everything that
//! happened to the disk.

use std::future::Future as _;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use ledgerline_schemas::id::OrgId;
use ledgerline_schemas::{Position, Timestamp};
use tokio::sync::watch;

use super::random::Random;
use super::truth::Truth;
use super::{AtRest, Variant};
use crate::crypt::at_rest::StorageKeys;
use crate::disk::Disk;
use crate::disk::sim::SimDisk;
use crate::disk::veil::Veil;
use crate::embedded::error::At;
use crate::embedded::open::{self, Opened};
use crate::embedded::{EmbeddedLog, OpenError, Options};
use crate::log::{EventReader as _, EventWriter as _, Submitted};
use crate::vault::Vault;

const ORG: OrgId = OrgId::from_u128(7);

/// How a life goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) variant: Variant,
    pub(crate) at_rest: AtRest,
    /// Decides sizes, contents and order.
    pub(crate) seed: u64,
    /// Makes contents and salts differ from another life with the same seed.
    pub(crate) tag: u64,
    /// Groups to commit.
    pub(crate) groups: u64,
    /// Whether the log is closed in peace at the end.
    pub(crate) close: bool,
}

/// What a life leaves behind.
pub(crate) struct Life {
    pub(crate) disk: SimDisk,
    pub(crate) truth: Truth,
    /// For every number of operations done, from the first of this life on: up to which position events
    /// had been acknowledged or shown by then.
    claims: Vec<u64>,
    first_op: usize,
}

impl Life {
    /// Cuts between operations of this life: before the first, …, after the last.
    pub(crate) fn cuts(&self) -> std::ops::Range<usize> {
        self.first_op..self.first_op + self.claims.len()
    }

    /// The ledger of a crash behind this many operations.
    pub(crate) fn truth_at(&self, cut: usize) -> Truth {
        let claimed = cut.checked_sub(self.first_op).and_then(|at| self.claims.get(at));
        let mut truth = self.truth.clone();
        truth.claimed = claimed.copied().unwrap_or(truth.claimed);
        truth
    }
}

/// Looks at the log between any two operations of the disk.
#[derive(Default)]
struct Witness {
    waiting: Vec<Submitted>,
    head: Option<watch::Receiver<Position>>,
    claimed: u64,
    claims: Vec<u64>,
    lost: Option<String>,
}

impl Witness {
    fn look(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        let (claimed, lost) = (&mut self.claimed, &mut self.lost);
        self.waiting.retain_mut(|submitted| match Pin::new(submitted).poll(&mut context) {
            Poll::Pending => true,
            Poll::Ready(Ok(appended)) => {
                *claimed = (*claimed).max(appended.last.0);
                false
            }
            Poll::Ready(Err(error)) => {
                *lost = Some(error.to_string());
                false
            }
        });
        let head = self.head.as_ref().map_or(0, |head| head.borrow().0);
        self.claimed = self.claimed.max(head);
        self.claims.push(self.claimed);
    }
}

fn locked(witness: &Mutex<Witness>) -> MutexGuard<'_, Witness> {
    witness.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Segment sizes differ from seed to seed; a clock and salts that a seed decides.
pub(crate) fn options(plan: &Plan) -> Options {
    let mut random = Random::new(plan.seed ^ 0x5eed);
    let segment_bytes = if random.one_in(3) { 64 << 10 } else { 4_096 + random.below(8_192) };
    let reserve_step_bytes = if random.one_in(2) { 1_024 } else { 4_096 };
    let salts = Mutex::new(Random::new(plan.seed ^ plan.tag.rotate_left(17)));
    let salted = plan.variant != Variant::NoSalt;
    Options {
        segment_bytes,
        reserve_step_bytes,
        index_fan_in: 2 + random.index(2),
        open_files_max: 2,
        raw_segments: Some(random.index(3)),
        // A few blocks at most: what is read comes from the disk.
        block_cache_bytes: 16 << 10,
        clock: Arc::new(|| Timestamp::from_micros(1)),
        salt: Arc::new(move || {
            let mut salts = salts.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(if salted { (salts.next() >> 32) as u32 } else { 1 })
        }),
        ..Options::default()
    }
}

/// Opens the log on a disk, holds it against the ledger, appends and commits.
pub(crate) fn live(disk: SimDisk, mut truth: Truth, plan: &Plan) -> Result<Life, String> {
    let mut random = Random::new(plan.seed);
    let first_op = disk.lock().ops.len();
    let witness = Arc::new(Mutex::new(Witness { claimed: truth.claimed, ..Witness::default() }));
    let seen = Arc::clone(&witness);
    disk.observe(Some(Box::new(move |_| locked(&seen).look())));
    let vault = vault_on(&disk, plan).map_err(|error| error.to_string())?;
    let Opened { shared, mut committer, indexer } =
        open_vault(&vault, plan).map_err(|error| error.to_string())?;
    let log = EmbeddedLog::driven(Arc::clone(&shared));
    truth.settle(&log)?;
    {
        let mut witness = locked(&witness);
        witness.head = Some(log.watch_head());
        witness.claimed = truth.claimed;
    }
    for _ in 0..plan.groups {
        for _ in 0..=random.below(3) {
            let old = if random.one_in(8) { truth.old_append(&mut random) } else { None };
            let repeated = old.is_some();
            let append = old.unwrap_or_else(|| truth.next_append(plan.tag, &mut random));
            let events = append.events.clone();
            let submitted = log.submit(append).map_err(|error| error.to_string())?;
            if submitted.appended.duplicate != repeated {
                return Err("a repeated append was not recognized, or a new one was".to_owned());
            }
            truth.note(events, &submitted.appended);
            locked(&witness).waiting.push(submitted);
        }
        committer.commit(shared.waiting_group());
        // The indexer is a thread of its own: it comes sooner or later.
        while random.one_in(2) && indexer.step(&|| true) {}
        if random.one_in(2) {
            pack_due(&vault).map_err(|error| format!("packing failed on a good disk: {error}"))?;
        }
    }
    if plan.close {
        shared.close();
        committer.finish();
    }
    disk.observe(None);
    let mut witness = locked(&witness);
    witness.look();
    if let Some(error) = witness.lost.take() {
        return Err(format!("an append failed on a good disk: {error}"));
    }
    if !witness.waiting.is_empty() {
        return Err("an append was never answered".to_owned());
    }
    if shared.sealed.damaged() > 0 {
        return Err("an index file was damaged without damage to the disk".to_owned());
    }
    let claims = std::mem::take(&mut witness.claims);
    truth.claimed = witness.claimed;
    Ok(Life { disk, truth, claims, first_op })
}

/// Packs what the keeper would pack now.
pub(crate) fn pack_due(vault: &Vault) -> std::io::Result<()> {
    vault.due()?.into_iter().try_for_each(|base| vault.pack(base).map(|_| ()))
}

fn place() -> At {
    At(PathBuf::from("(simulated)"))
}

/// The segments on a disk, without a thread that packs them.
pub(crate) fn vault_on(disk: &SimDisk, plan: &Plan) -> Result<Arc<Vault>, OpenError> {
    let faults = plan.variant.faults();
    let disk: Arc<dyn Disk> = match keys(plan) {
        None => Arc::new(disk.clone()),
        Some(keys) => {
            let veil = Veil::new(Arc::new(disk.clone()), Some(keys), faults);
            veil.check().map_err(place().io("looking for the keys of its files"))?;
            Arc::new(veil)
        }
    };
    Vault::open(disk, options(plan).vault(), faults)
        .map(Arc::new)
        .map_err(place().io("tidying the segments"))
}

/// The keys of the files of a life; `None`: there are none.
pub(crate) fn keys(plan: &Plan) -> Option<StorageKeys> {
    if plan.at_rest == AtRest::Clear {
        return None;
    }
    let seals = !Random::new(plan.seed ^ 0x0ff).one_in(6);
    let salts = Random::new(plan.seed ^ plan.tag.rotate_left(29)).next();
    StorageKeys::simulated(ORG, salts).map(|keys| keys.sealing(seals))
}

/// Opens the log in a vault, without a writer thread.
pub(crate) fn open_vault(vault: &Arc<Vault>, plan: &Plan) -> Result<Opened, OpenError> {
    let disk: Arc<dyn Disk> = vault.clone();
    open::open(disk, &place(), ORG, &options(plan), plan.variant.faults())
}
