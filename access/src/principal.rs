//! Who asks.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use ledgerline_schemas::id::{OrgId, UserId, UserProfileId};
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

impl Role {
    /// All roles, in the order of the policy matrix.
    pub const ALL: [Self; 6] = [
        Self::Agent,
        Self::Supervisor,
        Self::Analyst,
        Self::Auditor,
        Self::Administrator,
        Self::Integrator,
    ];

    /// Name, `lower_snake`, as in tokens and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Supervisor => "supervisor",
            Self::Analyst => "analyst",
            Self::Auditor => "auditor",
            Self::Administrator => "administrator",
            Self::Integrator => "integrator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no role of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "role '{0}' does not exist, it must be agent, supervisor, analyst, auditor, administrator or integrator"
)]
pub struct UnknownRole(pub String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or_else(|| UnknownRole(text.to_owned()))
    }
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
    /// The user it stands for, for agents and supervisors. What that user's profile does not grant is not
    /// seen.
    pub user_id: Option<UserId>,
    /// A user profile that holds besides, given with the token or database user.
    pub user_profile_id: Option<UserProfileId>,
}

impl Principal {
    /// Whether there may be a user profile that narrows what its roles allow.
    #[must_use]
    pub const fn may_be_limited(&self) -> bool {
        self.user_id.is_some() || self.user_profile_id.is_some()
    }
}
