//! What the door needs from around it: who asks, and which logs there are.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ledgerline_schemas::id::OrgId;

use crate::log::EventWriter;

/// What a client shows.
#[derive(Clone)]
pub enum Credentials {
    /// A signed token.
    Bearer(String),
    /// A user's name and password.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bearer(_) => f.write_str("Bearer"),
            Self::Basic { user, .. } => write!(f, "Basic({user})"),
        }
    }
}

/// Who asks, and what it may do at this door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The organization; nothing of another is ever visible.
    pub org_id: OrgId,
    /// Subject of the token or name of the user; no personal data.
    pub subject: String,
    /// May read events and hold subscriptions.
    pub may_read: bool,
    /// May append to `external-*` streams.
    pub may_append: bool,
    /// How long the credentials are still good for; a subscription ends with them. `None`: no end.
    pub valid_for: Option<Duration>,
}

/// Why nobody is let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unauthorized {
    /// The credentials are not good. The reason is told to the client.
    #[error("{0}")]
    Credentials(String),
    /// They cannot be checked now.
    #[error("credentials cannot be checked: {0}")]
    Unavailable(String),
}

/// Checks credentials. Called on a thread that may block.
pub trait Authorizer: Send + Sync + fmt::Debug + 'static {
    /// Who this is.
    ///
    /// # Errors
    /// [`Unauthorized`].
    fn authorize(&self, credentials: &Credentials) -> Result<Caller, Unauthorized>;
}

/// The open logs.
pub trait Logs: Send + Sync + fmt::Debug + 'static {
    /// The log of an organization, if it is open here.
    fn log(&self, org_id: OrgId) -> Option<Arc<dyn EventWriter>>;
}
