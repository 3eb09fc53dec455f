//! Folds from events to rows; hot and cold tables; rebuild.

pub mod change;
pub mod snapshot;
pub mod table;

pub use change::{ChangeBatch, RowChange};
pub use snapshot::{ColdFile, Snapshot, TableSnapshot};
pub use table::{ColumnDef, ColumnType, Dimension, Row, TableDef, Value};
