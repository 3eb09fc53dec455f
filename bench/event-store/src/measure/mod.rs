//! The measurements.

pub(crate) mod append;
pub(crate) mod drive;
pub(crate) mod latency;
pub(crate) mod raw;
pub(crate) mod replay;
pub(crate) mod restart;
pub(crate) mod subscribe;
