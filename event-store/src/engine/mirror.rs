//! A mirror: the embedded log in front of another system's.
//!
//! Every mirror of a log follows the engine and takes what counts there ([`super::rule`]); reads and proofs are
//! served from it. One of them leads: it has claimed the log, its appends go to the engine first, and are
//! written here, shown and acknowledged once the engine has acknowledged them **and** the rule says they count.
//! Leases and clocks decide only when another one tries to claim. What a leader that has lost its claim sends
//! later counts for nobody.
//!
//! An engine may lose what it has acknowledged (one that acknowledges from memory). The next leader sends again
//! what its own copy has.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc as blocking;
use std::thread::JoinHandle;
use std::time::Duration;

use ledgerline_schemas::Position;
use ledgerline_schemas::id::OrgId;
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use super::batch::Batch;
use super::carrier::{Carrier, Offset};
use super::entry::PART_OVERHEAD_BYTES;
use super::error::EngineError;
use super::follower::Follower;
use super::marker::{Marker, marker_in, write_marker};
use crate::capability::{Atomicity, Capabilities, ConcurrencyControl, Idempotence};
use crate::embedded::outside::{NotShipped, Upstream};
use crate::embedded::{EmbeddedLog, Options, Purpose};
use crate::log::EventReader as _;
use crate::segment::frame::FRAME_BYTES_MAX;

/// How a mirror behaves.
#[derive(Clone, Debug)]
pub struct MirrorOptions {
    /// The engine's name for the log, without secrets: a directory stays a mirror of what it once was.
    pub engine: String,
    /// When the leader was not heard of for this long, others may claim; 100 ms to 10 minutes, default 10 s.
    /// The leader writes something at least three times as often.
    pub lease: Duration,
    /// For how long an append is tried before its outcome counts as unknown; default 30 s.
    pub patience: Duration,
}

impl MirrorOptions {
    /// The default behaviour for an engine with this name.
    #[must_use]
    pub fn new(engine: impl Into<String>) -> Self {
        let (lease, patience) = (Duration::from_secs(10), Duration::from_secs(30));
        Self { engine: engine.into(), lease, patience }
    }

    pub(crate) fn lease_ms(&self) -> u32 {
        let lease = self.lease.clamp(Duration::from_millis(100), Duration::from_secs(600));
        u32::try_from(lease.as_millis()).unwrap_or(u32::MAX)
    }
}

/// What a mirror does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It follows the engine; appends are refused.
    Following,
    /// It writes.
    Leading,
    /// It does not go on.
    Ended,
}

/// The state of a mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// What it does.
    pub role: Role,
    /// Whether everything was read that the engine had when the mirror was opened or reconnected.
    pub caught_up: bool,
    /// The highest epoch that was claimed.
    pub epoch: u64,
    /// Entries of the engine that were read.
    pub read: Offset,
    /// Where the engine's end was when it was looked for last: while this follows, five times a lease.
    pub end: Offset,
    /// Events that this mirror had and the engine had not, sent again.
    pub healed_events: u64,
    /// Why it ended.
    pub failure: Option<String>,
}

/// A mirror leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takeover {
    /// The epoch of its claim.
    pub epoch: u64,
    /// The last position.
    pub head: Position,
    /// Events that this mirror had and the engine had not, sent again.
    pub healed_events: u64,
}

/// Asked of a mirror's thread.
#[derive(Debug)]
pub(crate) enum Request {
    Lead { standby: bool, reply: oneshot::Sender<Result<Takeover, EngineError>> },
    Ship { batches: Vec<Batch>, reply: blocking::SyncSender<Result<(), NotShipped>> },
    End,
}

/// A mirror of another system's log. It ends when the last handle of its log is dropped; a leader gives the log
/// up then.
#[derive(Clone, Debug)]
pub struct Mirror {
    log: EmbeddedLog,
    requests: mpsc::UnboundedSender<Request>,
    status: watch::Receiver<Status>,
}

impl Mirror {
    /// Opens a directory that is a mirror, or is empty and becomes one, and follows the engine.
    ///
    /// # Errors
    /// [`EngineError::Open`], [`EngineError::OtherEngine`], [`EngineError::NotAMirror`],
    /// [`EngineError::EntriesTooShort`].
    pub fn open(
        directory: &Path,
        org_id: OrgId,
        options: Options,
        carrier: Arc<dyn Carrier>,
        mirror: MirrorOptions,
    ) -> Result<Self, EngineError> {
        Self::open_for(directory, org_id, options, carrier, mirror, false)
    }

    /// Like [`Mirror::open`], for a directory with a log of its own: as soon as this leads, the engine gets
    /// everything. The engine must be empty, or hold the beginning of that log. Until the log is claimed the
    /// directory stays what it is.
    ///
    /// # Errors
    /// As [`Mirror::open`].
    pub fn adopt(
        directory: &Path,
        org_id: OrgId,
        options: Options,
        carrier: Arc<dyn Carrier>,
        mirror: MirrorOptions,
    ) -> Result<Self, EngineError> {
        Self::open_for(directory, org_id, options, carrier, mirror, true)
    }

    fn open_for(
        directory: &Path,
        org_id: OrgId,
        options: Options,
        carrier: Arc<dyn Carrier>,
        mirror: MirrorOptions,
        adopt: bool,
    ) -> Result<Self, EngineError> {
        let needed = PART_OVERHEAD_BYTES + FRAME_BYTES_MAX.div_ceil(usize::from(u16::MAX));
        let actual = carrier.entry_bytes_max();
        if actual < needed {
            return Err(EngineError::EntriesTooShort { actual, needed });
        }
        let log = EmbeddedLog::open_for(directory, org_id, options, Purpose::Mirror)?;
        log.shared().outside.close_to_callers(&format!("it follows {}", mirror.engine));
        let io = |what| move |source| EngineError::Io { what, source };
        let (marker, marked) = match marker_in(directory)? {
            Some(marker) if marker.engine == mirror.engine => (marker, true),
            Some(marker) => {
                let (found, wanted) = (marker.engine, mirror.engine);
                return Err(EngineError::OtherEngine { found, wanted });
            }
            None if log.head() == Position::START || adopt => {
                (Marker::new(mirror.engine.clone(), draw().map_err(io("drawing a name"))?), false)
            }
            None => {
                let (head, wanted) = (log.head(), mirror.engine);
                return Err(EngineError::NotAMirror { head, wanted });
            }
        };
        if !marked && !adopt {
            write_marker(directory, &marker).map_err(io("writing the mirror file"))?;
        }
        let unmarked = (!marked && adopt).then_some(marker.clone());
        let (requests, asked) = mpsc::unbounded_channel();
        let (closing, closed) = watch::channel(false);
        let (told, status) = watch::channel(Status {
            role: Role::Following,
            caught_up: false,
            epoch: 0,
            read: Offset::default(),
            end: Offset::default(),
            healed_events: 0,
            failure: None,
        });
        let follower = Follower::new(
            directory.to_owned(),
            EmbeddedLog::driven(Arc::clone(log.shared())),
            carrier,
            mirror,
            marker.node,
            unmarked,
            asked,
            requests.clone(),
            told,
            closed,
        )?;
        let thread = std::thread::Builder::new()
            .name("log-mirror".to_owned())
            .spawn(move || follower.main())
            .map_err(io("starting the mirror"))?;
        log.keep(MirrorThread { requests: requests.clone(), closing, thread });
        Ok(Self { log, requests, status })
    }

    /// The log: readable always, writable while this leads.
    #[must_use]
    pub const fn log(&self) -> &EmbeddedLog {
        &self.log
    }

    /// Claims the log and resolves when it leads: at once when nobody holds it or this directory held it last,
    /// else after the holder's lease.
    ///
    /// # Errors
    /// [`EngineError::Held`] when the holder is heard of meanwhile; whatever ends the mirror.
    pub async fn lead(&self) -> Result<Takeover, EngineError> {
        self.ask(false).await
    }

    /// Follows until nobody holds the log any more, then leads.
    ///
    /// # Errors
    /// Whatever ends the mirror.
    pub async fn stand_by(&self) -> Result<Takeover, EngineError> {
        self.ask(true).await
    }

    async fn ask(&self, standby: bool) -> Result<Takeover, EngineError> {
        let (reply, answer) = oneshot::channel();
        let ended = || EngineError::Ended { reason: "it was closed".to_owned() };
        self.requests.send(Request::Lead { standby, reply }).map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    /// A watch on what it does.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }
}

/// A random name.
pub(crate) fn draw() -> std::io::Result<Uuid> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|_| std::io::Error::other("the operating system gave no random bytes"))?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid())
}

/// The thread of a mirror.
pub(crate) struct MirrorThread {
    requests: mpsc::UnboundedSender<Request>,
    closing: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl fmt::Debug for MirrorThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MirrorThread").finish_non_exhaustive()
    }
}

impl MirrorThread {
    /// Nobody is to wait any longer for an engine that is not there.
    pub(crate) fn hurry(&self) {
        self.closing.send_replace(true);
    }

    /// Ends it: what was read becomes durable, a leader gives the log up.
    pub(crate) fn end(self) {
        let _ = self.requests.send(Request::End);
        // A thread that panicked has nothing to add.
        let _ = self.thread.join();
    }
}

/// A leader's way to the engine.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) requests: mpsc::UnboundedSender<Request>,
    pub(crate) carrier: Capabilities,
}

impl Upstream for Way {
    fn ship(&self, batches: Vec<Batch>) -> Result<(), NotShipped> {
        let (reply, answer) = blocking::sync_channel(1);
        let ended = || NotShipped::Unknown { reason: "the mirror ended".to_owned() };
        self.requests.send(Request::Ship { batches, reply }).map_err(|_| ended())?;
        answer.recv().map_err(|_| ended())?
    }

    fn capabilities(&self) -> Capabilities {
        promised(self.carrier)
    }
}

/// What a mirror in front of this engine promises. Events are on this machine's stable storage as well before
/// they are acknowledged; what another machine can take over is what the engine holds.
#[must_use]
pub const fn promised(carrier: Capabilities) -> Capabilities {
    let concurrency = match carrier.concurrency {
        ConcurrencyControl::Native => ConcurrencyControl::Native,
        ConcurrencyControl::ByReadBack | ConcurrencyControl::None => ConcurrencyControl::ByReadBack,
    };
    Capabilities {
        engine: carrier.engine,
        durability: carrier.durability,
        atomicity: Atomicity::Log,
        concurrency,
        idempotence: Idempotence::Exact,
    }
}
