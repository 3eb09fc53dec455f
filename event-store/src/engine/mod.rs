//! Engines to outgrow one machine: other systems' logs under this one.

mod carrier;

pub use carrier::{Carried, Carrier, CarrierError, Offset};
