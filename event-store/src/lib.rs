//! The log: the product's one truth.
//!
//! This crate is an **API boundary**. [`EventWriter`] and [`EventReader`] are the contract; the embedded
//! segmented log is the default engine, [`memory::MemoryLog`] the model it is tested against.

pub mod capability;
pub mod crypt;
mod disk;
pub mod embedded;
mod fault;
mod index;
pub mod log;
pub mod memory;
mod scan;
mod segment;
#[cfg(any(test, feature = "simulation"))]
pub mod simulation;
pub mod subscribe;
mod validate;

pub use embedded::{EmbeddedLog, OpenError, Options};
pub use log::{
    Append, AppendError, Appended, Direction, EventReader, EventWriter, Expected, Filter, Page,
    ReadError, Submitted,
};
pub use subscribe::{Delivery, Subscription};
