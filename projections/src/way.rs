//! From a kept state forward through the log, past the commits that were made on the way.

use std::collections::VecDeque;
use std::sync::Arc;

use ledgerline_event_store::EventReader;
use ledgerline_schemas::Position;

use crate::change::RowChange;
use crate::engine::Engine;
use crate::error::ProjectionError;
use crate::hot::Sink;
use crate::layout::{Committed, Layout};
use crate::ledger::Ledger;
use crate::manifest::Manifest;
use crate::page;
use crate::past::GoingOn;
use crate::projections::Options;

/// Events read at a time; after each page it is asked whether to go on.
const PAGE_EVENTS: u64 = 2_048;

/// Folds that are brought from a state to later positions, for reading only.
pub(crate) struct Way<'a> {
    reader: &'a dyn EventReader,
    pub(crate) engine: Engine,
    pub(crate) layout: Arc<Layout>,
    /// Commits that were made further on.
    ahead: VecDeque<Arc<Committed>>,
}

impl<'a> Way<'a> {
    /// Begins at the newest state that is not after `begin`; the commits up to `end` are on the way.
    ///
    /// # Errors
    /// [`ProjectionError::Cipher`].
    pub(crate) fn begin(
        ledger: &Arc<Ledger>,
        reader: &'a dyn EventReader,
        options: Options,
        begin: Position,
        end: Position,
    ) -> Result<Self, ProjectionError> {
        let layout = ledger.layout();
        let behind = layout.commits_of(Position::START, begin).len();
        let org_id = reader.org_id();
        let engine = Engine::in_the_past(ledger, Arc::clone(&layout), behind, org_id, options)?;
        let ahead = layout.commits_of(engine.fold.position, end).iter().cloned().collect();
        Ok(Self { reader, engine, layout, ahead })
    }

    /// The last commit on the way, or where the folds are.
    pub(crate) fn last(&self) -> Position {
        self.ahead.back().map_or(self.engine.fold.position, |commit| commit.manifest.to)
    }

    /// Folds up to `to`; `each` hears the changes when they are `heard`.
    ///
    /// # Errors
    /// [`ProjectionError::Cancelled`], [`ProjectionError::Log`], and what `each` and `at_commit` say.
    pub(crate) fn go(
        &mut self,
        to: Position,
        heard: bool,
        going_on: GoingOn<'_>,
        each: &mut dyn FnMut(RowChange) -> Result<(), ProjectionError>,
        at_commit: &mut dyn FnMut(&mut Engine, &Manifest) -> Result<(), ProjectionError>,
    ) -> Result<(), ProjectionError> {
        loop {
            let here = self.engine.fold.position;
            if let Some(commit) = self.ahead.pop_front_if(|commit| commit.manifest.to <= here) {
                at_commit(&mut self.engine, &commit.manifest)?;
                continue;
            }
            if here >= to {
                return Ok(());
            }
            if !going_on() {
                return Err(ProjectionError::Cancelled);
            }
            let stop = self.ahead.front().map_or(to, |commit| commit.manifest.to.min(to));
            let max = usize::try_from((stop.0 - here.0).min(PAGE_EVENTS)).unwrap_or(1);
            let events = page::read(self.reader, here, max)?;
            let mut sink = Sink::new(heard);
            self.engine.apply(&events, &mut sink);
            sink.changes.into_iter().try_for_each(&mut *each)?;
        }
    }
}
