//! Which entries of a carrier count. A pure fold over the entries in their order: every reader, whatever it is,
//! comes to the same log.
//!
//! * A **claim** counts if its epoch is above the highest before it. Of two with the same epoch the first wins.
//! * An **append** counts if it is of the writer whose claim counted last, and begins at the next position. It
//!   counts where its last missing part is.
//! * An append whose positions are taken is a repetition: carriers may deliver late, and twice.
//! * An append that is not whole dies when its writer begins another one, and with the next claim.
//! * A **release** of the writer ends its turn: nobody writes until the next claim.
//! * Everything else is ignored, for good.
//!
//! The rule needs no expected offsets, no clocks and no leases: those only decide when somebody *tries* to claim.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use ledgerline_schemas::id::OrgId;
use uuid::Uuid;

use super::batch::Batch;
use super::entry::{Body, Entry, Part, Writer};
use crate::segment::frame::FRAME_BYTES_MAX;

/// Who may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) writer: Writer,
    /// The directory it writes from.
    pub(crate) node: Uuid,
    /// Others may claim after this time without an entry of the holder, ms.
    pub(crate) lease_ms: u32,
}

/// What an entry did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Somebody else writes from here on.
    Claimed(Holder),
    /// An append is in the log.
    Accepted(Batch),
    /// Part of an append that is not whole yet.
    Incomplete,
    /// The holder is there.
    Heartbeat,
    /// The holder gave the log up.
    Released,
    /// Nothing.
    Ignored(Reason),
}

/// Why an entry does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The bytes are no entry of ours, or of another organization.
    Foreign,
    /// A claim with an epoch that is taken.
    StaleClaim,
    /// Its writer does not hold the log.
    NotHolder,
    /// Its positions are taken: a repetition, most likely.
    Duplicate,
    /// Something before it is missing.
    Gap,
    /// The parts of the append do not make one.
    Malformed,
}

impl Reason {
    /// Its name in metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::StaleClaim => "stale-claim",
            Self::NotHolder => "not-holder",
            Self::Duplicate => "duplicate",
            Self::Gap => "gap",
            Self::Malformed => "malformed",
        }
    }
}

/// What is known after some entries.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    org_id: OrgId,
    epoch: u64,
    holder: Option<Holder>,
    next_position: u64,
    open: Option<Assembly>,
    #[cfg(test)]
    pub(crate) faults: RuleFaults,
}

/// Deliberate mistakes, for proving that the tests notice them.
#[cfg(test)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RuleFaults {
    pub(crate) no_epoch_check: bool,
    pub(crate) no_owner_check: bool,
    pub(crate) no_position_check: bool,
    pub(crate) no_claim_check: bool,
}

/// An append whose parts are coming.
#[derive(Clone, Debug)]
struct Assembly {
    base_position: u64,
    recorded_at_micros: i64,
    count: u16,
    parts: u16,
    check: u32,
    have: BTreeMap<u16, Bytes>,
    bytes: usize,
}

impl Rule {
    /// Before the first entry.
    pub(crate) const fn new(org_id: OrgId) -> Self {
        Self::resume(org_id, 0, None, 1)
    }

    /// After entries that somebody else folded; no append may have been open.
    pub(crate) const fn resume(
        org_id: OrgId,
        epoch: u64,
        holder: Option<Holder>,
        next_position: u64,
    ) -> Self {
        Self {
            org_id,
            epoch,
            holder,
            next_position,
            open: None,
            #[cfg(test)]
            faults: RuleFaults {
                no_epoch_check: false,
                no_owner_check: false,
                no_position_check: false,
                no_claim_check: false,
            },
        }
    }

    /// The highest epoch that was claimed; 0 before the first.
    pub(crate) const fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) const fn holder(&self) -> Option<Holder> {
        self.holder
    }

    /// Whether this writer may write.
    pub(crate) fn is_held_by(&self, writer: Writer) -> bool {
        self.holder.is_some_and(|holder| holder.writer == writer)
    }

    /// The position the next append has to begin at.
    pub(crate) const fn next_position(&self) -> u64 {
        self.next_position
    }

    /// Whether parts of an append were seen that is not whole yet.
    pub(crate) const fn is_amid_an_append(&self) -> bool {
        self.open.is_some()
    }

    /// Takes the next entry.
    pub(crate) fn fold(&mut self, entry: &Bytes) -> Verdict {
        let Some(Entry { org_id, writer, body }) = Entry::decode(entry) else {
            return Verdict::Ignored(Reason::Foreign);
        };
        if org_id != self.org_id {
            return Verdict::Ignored(Reason::Foreign);
        }
        if let Body::Claim { node, lease_ms } = body {
            return self.claim(Holder { writer, node, lease_ms });
        }
        if !self.may_write(writer) {
            return Verdict::Ignored(Reason::NotHolder);
        }
        match body {
            Body::Part(part) => self.part(part),
            Body::Release => {
                self.holder = None;
                self.open = None;
                Verdict::Released
            }
            Body::Heartbeat | Body::Claim { .. } => Verdict::Heartbeat,
        }
    }

    #[cfg(not(test))]
    fn may_write(&self, writer: Writer) -> bool {
        self.is_held_by(writer)
    }

    #[cfg(test)]
    fn may_write(&self, writer: Writer) -> bool {
        self.holder.is_some_and(|holder| {
            let epoch = self.faults.no_epoch_check || holder.writer.epoch == writer.epoch;
            let owner = self.faults.no_owner_check || holder.writer.owner == writer.owner;
            epoch && owner
        })
    }

    fn claim(&mut self, holder: Holder) -> Verdict {
        #[cfg(test)]
        let any = self.faults.no_claim_check;
        #[cfg(not(test))]
        let any = false;
        if holder.writer.epoch <= self.epoch && !any {
            return Verdict::Ignored(Reason::StaleClaim);
        }
        self.epoch = holder.writer.epoch;
        self.holder = Some(holder);
        self.open = None;
        Verdict::Claimed(holder)
    }

    fn part(&mut self, part: Part) -> Verdict {
        #[cfg(test)]
        let anywhere = self.faults.no_position_check;
        #[cfg(not(test))]
        let anywhere = false;
        match part.base_position.cmp(&self.next_position) {
            Ordering::Less if !anywhere => return Verdict::Ignored(Reason::Duplicate),
            Ordering::Greater if !anywhere => return Verdict::Ignored(Reason::Gap),
            _ => {}
        }
        if part.part >= part.parts {
            return Verdict::Ignored(Reason::Malformed);
        }
        let mut open = match self.open.take() {
            Some(open) if open.is_of(&part) => open,
            _ => Assembly::begin(&part),
        };
        open.take(part);
        if open.bytes > FRAME_BYTES_MAX {
            return Verdict::Ignored(Reason::Malformed);
        }
        if open.have.len() < usize::from(open.parts) {
            self.open = Some(open);
            return Verdict::Incomplete;
        }
        let check = open.check;
        let batch = open.join();
        if batch.check() != check || !batch.is_well_formed() {
            return Verdict::Ignored(Reason::Malformed);
        }
        self.next_position = batch.next_position();
        Verdict::Accepted(batch)
    }
}

impl Assembly {
    const fn begin(part: &Part) -> Self {
        Self {
            base_position: part.base_position,
            recorded_at_micros: part.recorded_at_micros,
            count: part.count,
            parts: part.parts,
            check: part.check,
            have: BTreeMap::new(),
            bytes: 0,
        }
    }

    fn is_of(&self, part: &Part) -> bool {
        (self.base_position, self.recorded_at_micros, self.count, self.parts, self.check)
            == (part.base_position, part.recorded_at_micros, part.count, part.parts, part.check)
    }

    fn take(&mut self, part: Part) {
        let bytes = part.bytes.len();
        if self.have.insert(part.part, part.bytes).is_none() {
            self.bytes += bytes;
        }
    }

    fn join(self) -> Batch {
        let mut parts = self.have.into_values();
        let body = match (self.parts, parts.next()) {
            (1, Some(only)) => only,
            (_, first) => {
                let mut body = BytesMut::with_capacity(self.bytes);
                first.iter().for_each(|first| body.extend_from_slice(first));
                parts.for_each(|part| body.extend_from_slice(&part));
                body.freeze()
            }
        };
        Batch {
            base_position: self.base_position,
            recorded_at_micros: self.recorded_at_micros,
            count: self.count,
            body,
        }
    }
}

#[cfg(test)]
mod tests;
