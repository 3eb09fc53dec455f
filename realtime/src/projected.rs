//! The feed of running projections.

use futures::FutureExt as _;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream;
use ledgerline_projections::rights::Directory;
use ledgerline_projections::{FeedError, Projections, TableDef};
use ledgerline_schemas::id::OrgId;

use crate::alerts::AlertRules;
use crate::feed::{FeedSource, Follow, LiveState};

/// Live tables and changes of one organization's projections.
#[derive(Clone, Debug)]
pub struct ProjectionsFeed {
    projections: Projections,
}

impl ProjectionsFeed {
    /// The feed of these projections; it keeps them running.
    #[must_use]
    pub const fn new(projections: Projections) -> Self {
        Self { projections }
    }
}

impl FeedSource for ProjectionsFeed {
    fn org_id(&self) -> OrgId {
        self.projections.snapshot().org_id
    }

    fn tables(&self) -> Vec<&'static TableDef> {
        let snapshot = self.projections.snapshot();
        snapshot.tables.values().map(|table| table.def).filter(|table| table.live).collect()
    }

    fn live(&self) -> LiveState {
        LiveState::from(&*self.projections.snapshot())
    }

    fn directory(&self) -> Directory {
        Directory::of(&self.projections.snapshot())
    }

    fn follow(&self) -> BoxFuture<'static, Option<Follow>> {
        let projections = self.projections.clone();
        async move {
            let (snapshot, feed) = match projections.follow().await {
                Ok(follow) => follow,
                Err(error) => {
                    tracing::warn!(%error, "the projections give no changes");
                    return None;
                }
            };
            let batches = stream::unfold(feed, |mut feed| async {
                match feed.next().await {
                    Ok(batch) => Some((batch, feed)),
                    // Every server that stops closes its feeds; why projections failed is logged there.
                    Err(FeedError::Closed) => None,
                    Err(error) => {
                        tracing::warn!(%error, "the change feed ended");
                        None
                    }
                }
            });
            let directory = Directory::of(&snapshot);
            let alert_rules = AlertRules::of(&snapshot);
            let live = LiveState::from(&*snapshot);
            Some(Follow { live, directory, alert_rules, batches: batches.boxed() })
        }
        .boxed()
    }
}
