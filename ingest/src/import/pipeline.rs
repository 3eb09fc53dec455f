//! Many appends on their way at once, so that an import is not bound to one sync per row.

use std::collections::VecDeque;

use ledgerline_event_store::{Append, AppendError, Appended, EventWriter, Submitted};

use super::error::ImportError;

/// Appends that may wait for stable storage at the same time.
const IN_FLIGHT_MAX: usize = 1_024;

/// What became of an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is on its way.
    New(Appended),
    /// All its events were in the log already.
    Duplicate(Appended),
    /// Some of its events were in the log already; nothing was written.
    Partial,
}

/// Appends in order, many at once.
pub(super) struct Pipeline<'a> {
    writer: &'a dyn EventWriter,
    in_flight: VecDeque<(u64, Submitted)>,
    /// Events appended by this import.
    pub(super) events: u64,
}

impl<'a> Pipeline<'a> {
    pub(super) const fn new(writer: &'a dyn EventWriter) -> Self {
        Self { writer, in_flight: VecDeque::new(), events: 0 }
    }

    pub(super) async fn submit(&mut self, line: u64, append: Append) -> Result<Taken, ImportError> {
        while self.in_flight.len() >= IN_FLIGHT_MAX {
            self.settle_one().await?;
        }
        let events = append.events.len() as u64;
        let submitted = match self.writer.submit(append) {
            Ok(submitted) => submitted,
            Err(AppendError::PartialDuplicate { .. }) => return Ok(Taken::Partial),
            Err(source) => return Err(ImportError::Append { line, source }),
        };
        let appended = submitted.appended.clone();
        self.in_flight.push_back((line, submitted));
        if appended.duplicate {
            return Ok(Taken::Duplicate(appended));
        }
        self.events += events;
        Ok(Taken::New(appended))
    }

    /// Appends and takes a repetition for granted.
    pub(super) async fn append(
        &mut self,
        line: u64,
        append: Append,
    ) -> Result<Appended, ImportError> {
        let first = append.events.first().map(|event| event.id).unwrap_or_default();
        match self.submit(line, append).await? {
            Taken::New(appended) | Taken::Duplicate(appended) => Ok(appended),
            Taken::Partial => Err(ImportError::Append {
                line,
                source: AppendError::PartialDuplicate { id: first },
            }),
        }
    }

    /// Waits until everything submitted is on stable storage.
    pub(super) async fn settle(&mut self) -> Result<(), ImportError> {
        while !self.in_flight.is_empty() {
            self.settle_one().await?;
        }
        Ok(())
    }

    async fn settle_one(&mut self) -> Result<(), ImportError> {
        if let Some((line, submitted)) = self.in_flight.pop_front() {
            submitted.await.map_err(|source| ImportError::Append { line, source })?;
        }
        Ok(())
    }
}
