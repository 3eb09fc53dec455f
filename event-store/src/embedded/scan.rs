//! Reading through the log event by event.

use std::collections::VecDeque;
use std::sync::Arc;

use ledgerline_schemas::{Position, Recorded};

use super::read::{self, Walk};
use super::state::Shared;
use crate::log::{Filter, ReadError};
use crate::segment::record::TypeNames;

/// Reads through the log from one position to the head at its beginning.
#[derive(Debug)]
pub struct Scan {
    walk: Walk<Arc<Shared>>,
    names: TypeNames,
    next: u64,
    until: u64,
    ready: VecDeque<Recorded>,
}

impl Scan {
    pub(crate) fn new(shared: &Arc<Shared>, after: Position) -> Self {
        let (walk, until) = Walk::begin(Arc::clone(shared));
        Self {
            walk,
            names: TypeNames::default(),
            next: after.0.saturating_add(1),
            until,
            ready: VecDeque::new(),
        }
    }

    fn fill(&mut self) -> Result<(), ReadError> {
        self.walk.read_ahead(self.next);
        let org_id = self.walk.org_id();
        let frame = self.walk.seek(self.next)?;
        let ready = &mut self.ready;
        let take = |event| {
            ready.push_back(event);
            true
        };
        read::decode(org_id, &frame, &mut self.names, self.next, take, &Filter::all())?;
        self.next = frame.next_position();
        Ok(())
    }
}

impl Iterator for Scan {
    type Item = Result<Recorded, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty()
            && self.next <= self.until
            && let Err(error) = self.fill()
        {
            self.next = self.until.saturating_add(1);
            return Some(Err(error));
        }
        self.ready.pop_front().map(Ok)
    }
}
