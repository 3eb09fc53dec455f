//! What a live subscription asks for.

use ledgerline_access::Principal;
use ledgerline_projections::{Rights, Row, TableDef};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::filter::{Filter, FilterError};

/// Frames a second when a subscription does not say.
pub const DEFAULT_HZ: f64 = 10.0;
/// Fewest frames a second: one in ten seconds.
pub const MIN_HZ: f64 = 0.1;
/// Most frames a second.
pub const MAX_HZ: f64 = 50.0;

/// First half of a SHA-256.
pub type Hash = [u8; 16];

/// A query that fits its table.
#[derive(Clone, Debug)]
pub struct Query {
    /// The table.
    pub table: &'static TableDef,
    /// What the asker sees of the table.
    pub rights: Rights,
    /// Which rows of that.
    pub filter: Filter,
    /// Indexes of the columns shown, in the table's order; always with the key.
    pub columns: Vec<usize>,
    /// Least time between two deltas, milliseconds.
    pub interval_ms: u64,
}

/// A query does not fit.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum QueryError {
    /// The filter.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// A column.
    #[error("field 'columns': no such column '{name}', there are {there}")]
    Column {
        /// The name given.
        name: String,
        /// The columns there are.
        there: String,
    },
    /// The rate.
    #[error("field 'max_hz': must be {MIN_HZ} to {MAX_HZ}")]
    Rate,
}

impl Query {
    /// Checks a query against its table. Without `columns`, all are shown.
    ///
    /// # Errors
    /// [`QueryError`] naming the field.
    pub fn new(
        table: &'static TableDef,
        rights: Rights,
        filter: &Json,
        columns: Option<&[String]>,
        max_hz: Option<f64>,
    ) -> Result<Self, QueryError> {
        let max_hz = max_hz.unwrap_or(DEFAULT_HZ);
        if !(MIN_HZ..=MAX_HZ).contains(&max_hz) {
            return Err(QueryError::Rate);
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "20 to 10,000")]
        let interval_ms = (1_000.0 / max_hz).ceil() as u64;
        Ok(Self {
            table,
            rights,
            filter: Filter::parse(table, filter)?,
            columns: shown(table, columns)?,
            interval_ms,
        })
    }

    /// The row as the asker sees it, if it belongs to the answer. The filter is asked of what is shown: a masked
    /// value cannot be found by it.
    #[must_use]
    pub fn show(&self, row: &Row) -> Option<Row> {
        self.rights.show(self.table, row).filter(|row| self.filter.passes(row))
    }

    /// Indexes of the key columns.
    #[must_use]
    pub fn key_columns(&self) -> Vec<usize> {
        self.table.key.iter().filter_map(|name| self.table.column(name)).collect()
    }

    /// The same for all who see the same rows change; which columns they are shown of them, and how often, may differ.
    pub(crate) fn question(&self) -> Hash {
        hash(&[self.table.name, &self.filter.canonical(), &format!("{:?}", self.rights)])
    }

    /// Binds resume tokens to this query of this principal. The rate is left out: it may change.
    #[must_use]
    pub fn hash(&self, principal: &Principal) -> Hash {
        let columns: Vec<String> = self.columns.iter().map(ToString::to_string).collect();
        hash(&[
            self.table.name,
            &self.filter.canonical(),
            &columns.join(","),
            &principal.org_id.to_string(),
            &principal.subject,
        ])
    }
}

/// Binds resume tokens to what the principal may see.
#[must_use]
pub fn policy_hash(principal: &Principal, rights: &Rights, revision: u64) -> Hash {
    let roles: Vec<&str> = principal.roles.iter().map(|role| role.name()).collect();
    let user = principal.user_id.map(|id| id.to_string()).unwrap_or_default();
    hash(&[&roles.join(","), &user, &format!("{rights:?}"), &revision.to_string()])
}

/// Hashes parts with their lengths, so that no two lists of parts run together.
pub(crate) fn hash(parts: &[&str]) -> Hash {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    let full = digest.finalize();
    let mut half = Hash::default();
    half.iter_mut().zip(full).for_each(|(to, from)| *to = from);
    half
}

fn shown(table: &TableDef, columns: Option<&[String]>) -> Result<Vec<usize>, QueryError> {
    let Some(wanted) = columns else { return Ok((0..table.columns.len()).collect()) };
    if let Some(name) = wanted.iter().find(|name| table.column(name).is_none()) {
        let there: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        return Err(QueryError::Column { name: name.clone(), there: there.join(", ") });
    }
    let chosen = |name: &str| table.key.contains(&name) || wanted.iter().any(|it| it == name);
    let all = table.columns.iter().enumerate();
    Ok(all.filter(|(_, column)| chosen(column.name)).map(|(index, _)| index).collect())
}
