//! A legal hold, and whether it covers a row.

use std::collections::BTreeSet;
use std::sync::Arc;

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::config::LegalHold;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::rule::{Rule, Told};

/// A hold as rows are held against it: ids as the columns have them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Interactions; empty: not asked.
    pub interactions: BTreeSet<Arc<str>>,
    /// Queues; empty: not asked.
    pub queues: BTreeSet<Arc<str>>,
    /// Users; empty: not asked.
    pub agents: BTreeSet<Arc<str>>,
    /// Rows that had not ended before.
    pub from: Option<Timestamp>,
    /// Rows that began before.
    pub to: Option<Timestamp>,
}

fn texts(ids: impl Iterator<Item = Uuid>) -> BTreeSet<Arc<str>> {
    ids.map(|id| Arc::from(id.hyphenated().to_string())).collect()
}

/// A condition of a hold: one of these columns has one of these ids.
pub type Ask<'a> = (&'static [&'static str], &'a BTreeSet<Arc<str>>);

impl Hold {
    /// Of a document.
    pub(crate) fn of(document: &LegalHold) -> Self {
        Self {
            interactions: texts(document.interactions.iter().map(|id| id.uuid())),
            queues: texts(document.queues.iter().map(|id| id.uuid())),
            agents: texts(document.agents.iter().map(|id| id.uuid())),
            from: document.from,
            to: document.to,
        }
    }

    /// What is asked of a row of a table, beside its times. None when no row of it is covered.
    #[must_use]
    pub fn asks(&self, rule: &Rule) -> Option<Vec<Ask<'_>>> {
        let kinds = [
            (rule.interactions, &self.interactions),
            (rule.queues, &self.queues),
            (rule.agents, &self.agents),
        ];
        let mut asks = Vec::new();
        for (told, ids) in kinds.into_iter().filter(|(_, ids)| !ids.is_empty()) {
            match told {
                Told::By(columns) => asks.push((columns, ids)),
                Told::Unsaid => {}
                Told::Not => return None,
            }
        }
        Some(asks)
    }
}
