//! What the operating system tells about processes, the disk and the machine.

pub(crate) mod awake;
pub(crate) mod disk;
pub(crate) mod facts;
pub(crate) mod memory;
pub(crate) mod processes;
