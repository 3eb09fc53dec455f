//! Who asks.

use std::collections::BTreeSet;

use ledgerline_schemas::id::{OrgId, UserId};
use serde::{Deserialize, Serialize};

/// What a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Handles interactions at the desktop.
    Agent,
    /// Watches and steers.
    Supervisor,
    /// Asks SQL.
    Analyst,
    /// Reads histories and proofs.
    Auditor,
    /// Changes configuration.
    Administrator,
    /// A system that starts chats and reads events.
    Integrator,
}

/// Who asks, as a verified token or database log-in says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The organization; nothing of another is ever visible.
    pub org_id: OrgId,
    /// Subject of the token or name of the database user; no personal data.
    pub subject: String,
    /// Roles.
    pub roles: BTreeSet<Role>,
    /// The user it stands for, for agents and supervisors.
    pub user_id: Option<UserId>,
}
