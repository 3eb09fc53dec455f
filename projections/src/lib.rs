//! The tables: pure folds from events to rows, hot in memory and cold in Parquet.
//!
//! This crate reads the log and nothing else; it decides nothing and appends nothing. [`Projections`]
//! runs the folds of one organization on a thread of its own and shows immutable [`Snapshot`]s and a
//! [`ChangeFeed`]; both read sides are built on these two.
//!
//! **Invariants**
//!
//! * The log position is the only clock. No row holds anything that a rebuild from the log would not
//!   give again: no wall clock, no measured latency, no random id.
//! * A snapshot shows every event up to its position and none after it, in all tables.
//! * Files and commits are cut at positions, never by time or by how events were read; a crash at any
//!   moment leaves the tables at the newest complete commit, and the log brings them forward.
//! * `offered = answered + abandoned + other + open` in `queue_live`, `queue_interval` and `queue_leg`,
//!   of the same legs.
//! * Sealed personal data appears in `event_log.data` only, and only sealed.

mod blocks;
mod chain;
pub mod change;
mod checksum;
mod cold;
mod column;
mod commit;
mod committed;
mod encode;
mod engine;
mod error;
mod exchange;
pub mod feed;
mod fold;
mod hashed;
mod hot;
mod layout;
mod lease;
mod ledger;
mod maintain;
mod manifest;
mod mend;
mod merge;
mod open;
mod page;
mod parallel;
mod past;
mod plan;
mod projections;
pub mod publication;
mod rebuild;
mod remove;
pub mod retention;
pub mod rights;
mod run;
mod show;
mod slots;
pub mod snapshot;
mod splice;
mod states;
mod stop;
mod store;
pub mod table;
pub mod tables;
#[cfg(test)]
mod tests;
mod underway;
mod upkeep;
mod way;

pub use blocks::{BLOCK_BYTES, Blocks, DamagedBlock};
pub use change::{ChangeBatch, RowChange};
pub use checksum::{TableChecksum, checksum};
pub use cold::encode_batch;
pub use column::{AgentActivityState, CallbackState, MetricOrigin, OfferOutcome, Outcome, Stage};
pub use encode::{data_type, row_batch, schema};
pub use error::ProjectionError;
pub use feed::{ChangeFeed, FeedError};
pub use lease::Lease;
pub use maintain::{Maintained, TableFiles, maintain};
pub use past::{CommitCheck, GoingOn, Past, Wanted};
pub use projections::{Options, Projections};
pub use rebuild::{Rebuilt, rebuild, rebuild_encrypted};
pub use retention::{Hidden, Kept, Removed, Retention};
pub use rights::{Limited, Rights};
pub use snapshot::{COMMIT_COLUMN, ColdFile, Snapshot, TableSnapshot};
pub use table::{ColumnDef, ColumnType, Dimension, Row, TableDef, Value, key_text};
