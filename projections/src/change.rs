//! The change feed: what the fold did to rows, batch by batch.

use std::sync::Arc;

use ledgerline_schemas::Position;

use crate::table::{Row, TableDef};

/// One row before and after an event.
#[derive(Clone, Debug)]
pub struct RowChange {
    /// The table.
    pub table: &'static TableDef,
    /// Key values joined by `|`.
    pub key: Arc<str>,
    /// The row before; absent when it is new.
    pub before: Option<Row>,
    /// The row after; absent when it is gone.
    pub after: Option<Row>,
    /// Position of the event.
    pub position: Position,
}

/// All changes of the positions in `(from, to]`.
#[derive(Clone, Debug)]
pub struct ChangeBatch {
    /// Everything up to here came before.
    pub from: Position,
    /// Last position folded.
    pub to: Position,
    /// The changes in order.
    pub changes: Vec<RowChange>,
}
