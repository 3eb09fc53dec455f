//! A contact center around the voice edge, phones by SIPp, and ears of our own.

#![allow(unreachable_pub, reason = "shared by test binaries that use parts of it")]
#![allow(dead_code, reason = "every test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests stop at the first surprise")]

pub mod center;
pub mod ears;
pub mod sipp;
pub mod tones;
