//! Reading through a log page by page, for engines without a faster way.

use std::collections::VecDeque;

use ledgerline_schemas::{Position, Recorded};

use crate::log::{Direction, EventReader, Filter, ReadError};

/// Events read at a time.
const PAGE_EVENTS: usize = 1_000;

/// The events after a position up to the head at the beginning.
pub(crate) struct Pages<'a, R: ?Sized> {
    reader: &'a R,
    after: Position,
    until: Position,
    ready: VecDeque<Recorded>,
}

impl<'a, R: EventReader + ?Sized> Pages<'a, R> {
    pub(crate) fn new(reader: &'a R, after: Position) -> Self {
        Self { reader, after, until: reader.head(), ready: VecDeque::new() }
    }
}

impl<R: EventReader + ?Sized> Iterator for Pages<'_, R> {
    type Item = Result<Recorded, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() && self.after < self.until {
            let left = usize::try_from(self.until.0 - self.after.0).unwrap_or(usize::MAX);
            let max = PAGE_EVENTS.min(left);
            match self.reader.read_all(self.after, Direction::Forward, &Filter::all(), max) {
                Ok(page) => {
                    self.after = page.scanned_to;
                    self.ready.extend(page.events);
                }
                Err(error) => {
                    self.after = self.until;
                    return Some(Err(error));
                }
            }
        }
        self.ready.pop_front().map(Ok)
    }
}
