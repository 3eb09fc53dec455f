//! What the log keeps in memory to find events. All of it is rebuilt from the segments at opening.

pub(crate) mod ids;
pub(crate) mod places;
pub(crate) mod streams;
