//! What keeps a query within its bounds: memory, files, time, rows and bytes.

pub(crate) mod cooperate;
pub(crate) mod files;
pub(crate) mod memory;
pub(crate) mod spill;
pub(crate) mod stream;
