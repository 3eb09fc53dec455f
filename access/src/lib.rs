//! Who may do what: tokens, database credentials, roles and the policy matrix.
//!
//! [`outbound`] is the other direction: where what is sent out may go, and how it is signed.
//!
//! It is a library of checks. It has no routes and no tables of its own: every edge crate calls
//! [`bearer`], [`Verifier::verify`] (or [`ScramCredentials::lookup`]) and then [`allows`]. Every door has the same
//! [`Verifier`]: tokens of the built-in [`TokenIssuer`], and of the issuers in [`oidc`] that the settings name.
//!
//! Invariants:
//! * denied unless the matrix in [`policy`] says otherwise; a principal without roles may do nothing;
//! * a principal carries exactly one organization, and only a signed token or a stored credential can
//!   name it: no request parameter does;
//! * secrets live in files that only their owner can read; a file that others can read is refused,
//!   not repaired in silence;
//! * passwords and keys never appear in `Debug` output or in an error.

pub mod bearer;
pub mod error;
pub mod oidc;
pub mod outbound;
pub mod policy;
pub mod principal;
pub mod scram;
pub mod token;
pub mod verifier;

mod secret_file;

pub use bearer::bearer;
pub use error::{AccessError, Refusal, StoreError};
pub use policy::{Action, allows};
pub use principal::{Principal, Role};
pub use scram::{NewUser, ScramCredentials, ScramSecret, same_bytes};
pub use token::{Clock, Grant, TokenIssuer};
pub use verifier::{Verified, Verifier};
