//! Engines to outgrow one machine: other systems' logs under this one.

mod carrier;
#[cfg(feature = "fluvio")]
pub mod fluvio;
#[cfg(feature = "kurrentdb")]
pub mod kurrentdb;

pub use carrier::{Carried, Carrier, CarrierError, Offset};
