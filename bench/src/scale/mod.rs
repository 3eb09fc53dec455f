//! The twelve questions of a contact center over tens of millions of queue legs, beside other engines on the same
//! Parquet files: `cargo xtask bench --only scale`.
//!
//! [`generate`](generate::generate) invents the legs from a seed and writes them as the product writes its tables,
//! a file a day. [`ask`] puts them under the product's SQL engine. What the peers did comes from
//! `bench/analyzer/peers.py`; [`report`] compares every answer row by row and prints the table.

pub mod ask;
pub mod canonical;
pub mod generate;
pub mod legs;
pub mod process;
pub mod queries;
pub mod random;
pub mod report;
pub mod result;
pub mod table;

/// Anything that went wrong.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
