//! Who may do what: tokens, credentials, roles and the policy matrix.

pub mod principal;

pub use principal::{Principal, Role};
