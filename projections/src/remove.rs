//! Rows that are no longer kept, taken out of the files.
//!
//! By then nobody is shown them: the state of the commit that an exchange rests on says so, and the table is no
//! longer answered as it was before. A file that is lost later comes back from the log with all of its rows,
//! which are hidden like any others that were dropped, and is done again.

use ledgerline_schemas::Position;

use crate::committed::verified;
use crate::error::ProjectionError;
use crate::layout::{Committed, Layout, Placed};
use crate::merge::{self, Input};
use crate::past::GoingOn;
use crate::retention::Hidden;
use crate::table::TableDef;
use crate::tables;
use crate::upkeep::{Done, Upkeep};

impl Upkeep {
    /// Takes out what is no longer kept of the next file that nobody has looked at for it.
    ///
    /// # Errors
    /// [`ProjectionError`]; nothing has changed then.
    pub(crate) fn remove_next(
        &mut self,
        layout: &Layout,
        going_on: GoingOn<'_>,
    ) -> Result<Option<Done>, ProjectionError> {
        let Some((commit, retention)) = self.ledger.committed_retention() else { return Ok(None) };
        for table in retention.tables() {
            let Some(hidden) = retention.removable(table) else { continue };
            let until = retention.removed(table);
            let Some(def) = tables::ALL.iter().find(|def| def.name == table) else { continue };
            let placed = layout.tables.get(def.name).into_iter().flatten();
            let is_left = |it: &&Placed| self.cleared.get(&it.file.path) != Some(&until);
            if let Some(next) = placed.clone().find(is_left) {
                return self.remove_from(def, next, &hidden, until, &commit, going_on).map(Some);
            }
        }
        Ok(None)
    }

    fn remove_from(
        &mut self,
        def: &'static TableDef,
        placed: &Placed,
        hidden: &Hidden,
        until: Position,
        commit: &Committed,
        going_on: GoingOn<'_>,
    ) -> Result<Done, ProjectionError> {
        let content = match verified(&self.ledger.files, placed) {
            Ok(content) => content,
            Err(ProjectionError::Damaged { .. }) => return self.look_at(def.name, placed),
            Err(error) => return Err(error),
        };
        let path = placed.file.path.clone();
        let gone = hidden.count(&path, content.clone())?;
        if gone == 0 {
            placed.file.lease.cleared();
            self.verified.insert(path.clone());
            self.cleared.insert(path, until);
            return Ok(Done::Verified);
        }
        let rest = placed.entry.rows.saturating_sub(gone);
        let mut added = Vec::new();
        if rest > 0 {
            let input = Input { content, commit: placed.to.0 };
            let bytes = merge::merge(def, vec![input], rest, Some(hidden), going_on)?;
            added.push(self.written(def, (placed.from, placed.to), bytes, rest)?);
        }
        let come: Vec<_> = added.iter().map(|it| it.file.path.clone()).collect();
        self.ledger.exchange(def.name, vec![placed.entry.name.clone()], added, Some(commit))?;
        placed.file.lease.replaced();
        self.verified.remove(&path);
        self.cleared.remove(&path);
        for path in come {
            self.verified.insert(path.clone());
            self.cleared.insert(path, until);
        }
        metrics::counter!("ledgerline_tables_removed_rows_total").increment(gone);
        Ok(Done::Removed(gone))
    }
}
