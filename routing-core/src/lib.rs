//! Pure decisions: what a command means, what a fact changes, what follows from it.

pub mod effect;
pub mod rejection;

pub use effect::{Effect, EffectId, PushName, ReleaseReason};
pub use rejection::{Rejection, RejectionCode};
