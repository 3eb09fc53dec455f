//! What a principal sees of the tables: the rows its user profile grants, and the columns it shows masked.
//!
//! Every door asks here, so that SQL, live rows and histories agree. Rights come from the newest configuration,
//! never from an earlier one: who asks for the past gets it with the rights of today.
//!
//! * Without a user and a profile, a principal sees its organization whole; the roles decide.
//! * A user that is switched off or gone, a profile that is switched off, gone or not readable, and a mask of a
//!   column that does not exist grant nothing.
//! * Two profiles (the user's, and one that came with the token) grant what both grant.

mod directory;
mod limited;
mod resolve;
mod rule;

use std::sync::Arc;

use ledgerline_access::Principal;
use ledgerline_schemas::config::Module;

use crate::table::{Row, TableDef};

pub use directory::Directory;
pub use limited::{Ids, Limited, MASK, mask_value};
pub use rule::{Rule, Test, rule};

/// What a principal sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Everything its roles allow.
    Whole,
    /// What profiles grant of it.
    Limited(Arc<Limited>),
}

/// A profile that grants nothing, and why; safe to be shown to the principal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the user profile grants nothing: {0}")]
pub struct NothingGranted(pub String);

impl Rights {
    /// The rights of a principal under the configuration of its organization.
    ///
    /// # Errors
    /// [`NothingGranted`] when the principal may see nothing at all.
    pub fn of(principal: &Principal, directory: &Directory) -> Result<Self, NothingGranted> {
        resolve::rights(principal, directory)
    }

    /// What limits it, if anything does.
    #[must_use]
    pub const fn limits(&self) -> Option<&Arc<Limited>> {
        match self {
            Self::Whole => None,
            Self::Limited(limited) => Some(limited),
        }
    }

    /// Whether a module is open.
    #[must_use]
    pub fn opens(&self, module: Module) -> bool {
        self.limits().is_none_or(|limited| limited.opens(module))
    }

    /// Whether a table is there at all. A table that no rule speaks of is not, to whom rights are limited.
    #[must_use]
    pub fn sees(&self, table: &TableDef) -> bool {
        self.limits().is_none_or(|limited| limited.sees(table))
    }

    /// Whether the log itself may be read: it knows no places, so only with every place granted and nothing masked.
    #[must_use]
    pub fn sees_log(&self) -> bool {
        self.limits().is_none_or(|limited| {
            limited.opens(Module::Audit) && limited.sees_all_rows() && !limited.masks_any()
        })
    }

    /// The row as it is shown; none when it is not. For tables whose rule looks at the row alone: of others, no
    /// row is shown here.
    #[must_use]
    pub fn show(&self, table: &TableDef, row: &Row) -> Option<Row> {
        match self {
            Self::Whole => Some(Arc::clone(row)),
            Self::Limited(limited) => limited.show(table, row),
        }
    }
}

#[cfg(test)]
mod tests;
