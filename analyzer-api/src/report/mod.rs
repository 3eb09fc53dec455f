//! Reports: saved questions with figures, totals and a drawing.
//!
//! A definition ([`ReportDefinition`]) is a tuple of record type, segments, measures and interval; [`compile`] makes
//! one SQL question of it, which runs like any other: by the asker's rights, under the governor, at one position.
//! [`stock`] are the reports that come with the product: documents anyone can copy and change. An answer
//! ([`sheet::Sheet`]) goes out as a file of any format, as a spreadsheet ([`xlsx`]) or as a drawing ([`plot`]).

pub mod check;
pub mod compile;
mod condition;
pub mod error;
pub mod metric;
pub mod metrics;
pub mod output;
pub mod period;
pub mod plot;
pub mod run;
pub mod saved;
pub mod sheet;
pub mod stock;
pub mod xlsx;

pub use error::ReportError;
pub use ledgerline_schemas::config::report::ReportDefinition;
pub use period::Period;
pub use run::{Request, run};
pub use sheet::Sheet;
