//! Where live rows and their changes come from: the port that the projections are plugged into.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use ledgerline_projections::rights::Directory;
use ledgerline_projections::{ChangeBatch, Row, Snapshot, TableDef};
use ledgerline_schemas::Position;
use ledgerline_schemas::id::OrgId;

use crate::alerts::AlertRules;

/// Rows of one live table by key.
pub type LiveRows = Arc<BTreeMap<Arc<str>, Row>>;

/// The live tables of one organization at one position. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LiveState {
    /// Changes whenever the tables are built anew.
    pub epoch: u64,
    /// Every event up to here is in the rows.
    pub position: Position,
    /// The rows by table name.
    pub rows: BTreeMap<&'static str, LiveRows>,
}

impl LiveState {
    /// The rows of a table; none when the table has none.
    #[must_use]
    pub fn table(&self, name: &str) -> LiveRows {
        self.rows.get(name).cloned().unwrap_or_default()
    }
}

impl From<&Snapshot> for LiveState {
    fn from(snapshot: &Snapshot) -> Self {
        Self { epoch: snapshot.epoch, position: snapshot.position, rows: snapshot.live.clone() }
    }
}

/// Live tables and change feed of one organization.
pub trait FeedSource: Send + Sync + 'static {
    /// The organization.
    fn org_id(&self) -> OrgId;

    /// The live tables that may be subscribed to; fixed for the life of the process.
    fn tables(&self) -> Vec<&'static TableDef>;

    /// The rows now. Must be cheap: it is called for every subscription. They may be behind the changes
    /// that [`Self::follow`] gives, by as much as the hub retains.
    fn live(&self) -> LiveState;

    /// What rights follow from, now. A source without any knows no user and no profile: whoever has one sees
    /// nothing.
    fn directory(&self) -> Directory {
        Directory::default()
    }

    /// A state and every batch after it, in order, each beginning where the one before it ended. The
    /// stream may end at any time (for one when its reader fell behind); it is then asked for again.
    /// `None` when there is none to be had now.
    fn follow(&self) -> BoxFuture<'static, Option<Follow>>;
}

/// A state and every batch after it.
pub struct Follow {
    /// The state.
    pub live: LiveState,
    /// What rights follow from, in that state.
    pub directory: Directory,
    /// The alert rules, in that state.
    pub alert_rules: AlertRules,
    /// The batches; changes at or before the state's position are left out by the reader.
    pub batches: BoxStream<'static, Arc<ChangeBatch>>,
}
