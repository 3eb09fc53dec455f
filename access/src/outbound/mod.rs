//! What goes out of the house over HTTP, whoever sends it: where to it may go, and how it is signed.
//!
//! Reports that are due and webhooks share it ([ADR 39](../../../docs/adr/0039-webhooks.md)). It opens no connection: it
//! resolves names, looks at addresses, signs, and keeps what must outlive the process in files that are whole.
//!
//! Invariants:
//! * an address of the house is refused in every way it can be written, unless the settings name its host;
//! * who connects, connects to the addresses that were looked at;
//! * a secret is never shown.

pub mod guard;
pub mod secret;
pub mod signature;
pub mod undelivered;
pub mod whole_file;

pub use guard::{Destination, PrivateHosts, destination, shown};
pub use secret::{Secret, SecretSource};
pub use signature::sign;
pub use undelivered::Undelivered;
