//! Tokens of other issuers: what is let in, and by which name everything else is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]
#![allow(unreachable_pub, reason = "the modules share helpers")]

mod claims;
mod keys;
mod published;
mod signatures;
mod support;
