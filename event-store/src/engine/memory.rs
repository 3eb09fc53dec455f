//! A carrier in memory that can misbehave like the real ones: for tests of what stands on carriers.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use tokio::sync::watch;

use super::carrier::{Carried, Carrier, CarrierError, Offset};
use super::carrying::{self, Following};
use crate::capability::{Atomicity, Capabilities, ConcurrencyControl, Durability, Idempotence};

/// How often something happens to an append, in percent of the appends through one [`MemoryCarrier`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mischief {
    /// It is written, and not acknowledged.
    pub acknowledgement_lost: u8,
    /// It is neither written nor acknowledged.
    pub lost: u8,
    /// Only its beginning is written; not with native concurrency control.
    pub torn: u8,
    /// It is not acknowledged, and written at some later append, of whomever.
    pub late: u8,
    /// It is written and acknowledged, and written once more at some later append.
    pub twice: u8,
}

/// The sequence itself: what the engine's machines hold.
#[derive(Clone, Debug)]
pub struct MemoryPartition {
    inner: Arc<Inner>,
}

struct Inner {
    native: bool,
    entry_bytes_max: usize,
    state: Mutex<State>,
    /// Told at every change.
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    entries: Vec<Bytes>,
    /// Appends on their way, with the place they are for.
    late: Vec<(Vec<Bytes>, Offset)>,
    /// One more at every restart: connections of before are cut.
    restarts: u64,
    appends: u64,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryPartition").field("native", &self.native).finish_non_exhaustive()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        self.changed.send_modify(|changes| *changes += 1);
    }
}

impl State {
    fn write(&mut self, entries: &[Bytes], at: Offset, native: bool) -> Result<(), CarrierError> {
        let end = Offset(self.entries.len() as u64);
        if native && at != end {
            return Err(CarrierError::Moved { end });
        }
        self.entries.extend_from_slice(entries);
        Ok(())
    }
}

impl MemoryPartition {
    /// An empty one. With native concurrency control appends say where they belong, and are refused elsewhere.
    #[must_use]
    pub fn new(native: bool, entry_bytes_max: usize) -> Self {
        let inner = Inner {
            native,
            entry_bytes_max,
            state: Mutex::default(),
            changed: watch::Sender::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// A connection to it, which behaves.
    #[must_use]
    pub fn connect(&self) -> MemoryCarrier {
        self.connect_badly(0, Mischief::default())
    }

    /// A connection to it. The seed decides what happens when.
    #[must_use]
    pub fn connect_badly(&self, seed: u64, mischief: Mischief) -> MemoryCarrier {
        MemoryCarrier {
            partition: self.clone(),
            mischief,
            random: Arc::new(AtomicU64::new(seed)),
            severed: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Number of entries.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.inner.lock().entries.len()
    }

    /// Number of calls that appended something or tried to.
    #[must_use]
    pub fn appends(&self) -> u64 {
        self.inner.lock().appends
    }

    /// Writes everything that is late.
    pub fn arrive(&self) {
        let mut state = self.inner.lock();
        for (entries, at) in std::mem::take(&mut state.late) {
            // What comes too late for its place is refused by the engine; nobody waits for the answer.
            let _ = state.write(&entries, at, self.inner.native);
        }
        drop(state);
        self.inner.tell();
    }

    /// Adds an entry of somebody else.
    pub fn intrude(&self, entry: Bytes) {
        self.inner.lock().entries.push(entry);
        self.inner.tell();
    }

    /// Loses power, and with it the last entries, acknowledged or not. Every connection is cut.
    pub fn lose_tail(&self, entries: usize) {
        let mut state = self.inner.lock();
        let left = state.entries.len().saturating_sub(entries);
        state.entries.truncate(left);
        state.restarts += 1;
        drop(state);
        self.inner.tell();
    }

    /// Where the next entry would be.
    #[must_use]
    pub fn end(&self) -> Offset {
        Offset(self.entries() as u64)
    }
}

/// A connection to a [`MemoryPartition`]. Clones share its fate.
#[derive(Clone, Debug)]
pub struct MemoryCarrier {
    partition: MemoryPartition,
    mischief: Mischief,
    random: Arc<AtomicU64>,
    severed: Arc<AtomicBool>,
}

impl MemoryCarrier {
    /// Cuts the connection for good, as when its process is killed or its network is gone. What it has under
    /// way may still arrive.
    pub fn sever(&self) {
        self.severed.store(true, Ordering::SeqCst);
        self.partition.inner.tell();
    }

    /// Undoes [`MemoryCarrier::sever`].
    pub fn mend(&self) {
        self.severed.store(false, Ordering::SeqCst);
        self.partition.inner.tell();
    }

    fn check(&self) -> Result<(), CarrierError> {
        if self.severed.load(Ordering::SeqCst) {
            return Err(away("the connection was cut"));
        }
        Ok(())
    }

    /// SplitMix64: a number below 100.
    fn percent(&self) -> u8 {
        let mut z = self
            .random
            .fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::SeqCst)
            .wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        u8::try_from((z ^ (z >> 31)) % 100).unwrap_or_default()
    }

    /// What happens to the next append.
    fn fate(&self) -> Fate {
        let mut left = self.percent();
        let Mischief { acknowledgement_lost, lost, torn, late, twice } = self.mischief;
        let fates = [
            (acknowledgement_lost, Fate::AcknowledgementLost),
            (lost, Fate::Lost),
            (torn, Fate::Torn),
            (late, Fate::Late),
            (twice, Fate::Twice),
        ];
        for (share, fate) in fates {
            if left < share {
                return fate;
            }
            left -= share;
        }
        Fate::Well
    }
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Well,
    AcknowledgementLost,
    Lost,
    Torn,
    Late,
    Twice,
}

fn away(reason: &str) -> CarrierError {
    CarrierError::Unavailable { reason: reason.to_owned() }
}

#[async_trait]
impl Carrier for MemoryCarrier {
    fn capabilities(&self) -> Capabilities {
        let native = self.partition.inner.native;
        Capabilities {
            engine: "memory carrier",
            durability: Durability::PageCache,
            atomicity: if native { Atomicity::Stream } else { Atomicity::Record },
            concurrency: if native {
                ConcurrencyControl::Native
            } else {
                ConcurrencyControl::ByReadBack
            },
            idempotence: Idempotence::None,
        }
    }

    fn entry_bytes_max(&self) -> usize {
        self.partition.inner.entry_bytes_max
    }

    fn append_bytes_max(&self) -> usize {
        self.partition.inner.entry_bytes_max.saturating_mul(4)
    }

    async fn end(&self) -> Result<Offset, CarrierError> {
        self.check()?;
        Ok(self.partition.end())
    }

    async fn append(&self, entries: Vec<Bytes>, at: Offset) -> Result<(), CarrierError> {
        self.check()?;
        let inner = &self.partition.inner;
        if let Some(long) = entries.iter().find(|entry| entry.len() > inner.entry_bytes_max) {
            let reason = format!("an entry of {} bytes", long.len());
            return Err(CarrierError::Refused { reason });
        }
        let fate = self.fate();
        let mut state = inner.lock();
        state.appends += 1;
        let outcome = match fate {
            Fate::Well => state.write(&entries, at, inner.native),
            Fate::AcknowledgementLost => {
                state.write(&entries, at, inner.native)?;
                Err(away("the acknowledgement was lost"))
            }
            Fate::Lost => Err(away("the append was lost")),
            Fate::Torn if !inner.native => {
                let half = entries.len() / 2;
                state.write(entries.get(..half).unwrap_or_default(), at, false)?;
                Err(away("half of the append was lost"))
            }
            Fate::Torn => Err(away("the append was lost")),
            Fate::Late => {
                state.late.push((entries, at));
                Err(away("the append is late"))
            }
            Fate::Twice => {
                state.write(&entries, at, inner.native)?;
                state.late.push((entries, at));
                Ok(())
            }
        };
        // Something that is late arrives with somebody's later append.
        if !matches!(fate, Fate::Late | Fate::Twice)
            && self.percent() < 40
            && let Some((entries, at)) = state.late.pop()
        {
            let _ = state.write(&entries, at, inner.native);
        }
        drop(state);
        inner.tell();
        outcome
    }

    fn follow(&self, from: Offset) -> BoxStream<'static, Result<Carried, CarrierError>> {
        let changed = self.partition.inner.changed.subscribe();
        let restarts = self.partition.inner.lock().restarts;
        let following = Follower { carrier: self.clone(), next: from, restarts, changed };
        carrying::stream(following)
    }
}

struct Follower {
    carrier: MemoryCarrier,
    next: Offset,
    restarts: u64,
    changed: watch::Receiver<u64>,
}

impl Following for Follower {
    async fn next(&mut self) -> Result<Carried, CarrierError> {
        loop {
            self.changed.borrow_and_update();
            self.carrier.check()?;
            {
                let state = self.carrier.partition.inner.lock();
                if state.restarts != self.restarts {
                    return Err(away("the engine was restarted"));
                }
                let index = usize::try_from(self.next.0).unwrap_or(usize::MAX);
                if let Some(entry) = state.entries.get(index) {
                    let offset = self.next;
                    self.next = Offset(offset.0 + 1);
                    return Ok(Carried { offset, entry: entry.clone() });
                }
            }
            if self.changed.changed().await.is_err() {
                return Err(away("the engine is gone"));
            }
        }
    }
}
