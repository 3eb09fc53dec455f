//! The rules of an organization, as its configuration has them.

use std::collections::BTreeMap;

use ledgerline_projections::{RowChange, Snapshot, Value};
use ledgerline_schemas::config::{AlertRule, EntityKind};
use ledgerline_schemas::id::EntityId;

/// The table that configuration is read from.
const TABLE: &str = "config_entity";

/// Rules that are switched on, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertRules(BTreeMap<EntityId, AlertRule>);

impl AlertRules {
    /// Those of a snapshot. What does not fit the type is no rule: the core lets none through.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let documents = snapshot.config_documents(EntityKind::AlertRule);
        let read = documents
            .into_iter()
            .filter_map(|(id, document)| Some((id, serde_json::from_str(&document).ok()?)));
        Self(read.collect())
    }

    /// Takes in a change of a row; the id of the rule that is another now.
    pub(super) fn note(&mut self, change: &RowChange) -> Option<EntityId> {
        if change.table.name != TABLE {
            return None;
        }
        let row = change.after.as_ref().or(change.before.as_ref())?;
        let value = |name: &str| change.table.column(name).and_then(|at| row.get(at));
        let text = |name: &str| match value(name) {
            Some(Value::Text(text)) => Some(&**text),
            _ => None,
        };
        let is = |name: &str| matches!(value(name), Some(Value::Bool(true)));
        if text("kind") != Some(EntityKind::AlertRule.name()) {
            return None;
        }
        let id = text("entity_id")?.parse().ok()?;
        let is_there = change.after.is_some() && is("is_active") && !is("is_deleted");
        let rule: Option<AlertRule> = text("document")
            .filter(|_| is_there)
            .and_then(|document| serde_json::from_str(document).ok());
        let before = match &rule {
            Some(rule) => self.0.insert(id, rule.clone()),
            None => self.0.remove(&id),
        };
        (before != rule).then_some(id)
    }

    pub(super) fn get(&self, id: EntityId) -> Option<&AlertRule> {
        self.0.get(&id)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = EntityId> {
        self.0.keys().copied()
    }
}

impl FromIterator<(EntityId, AlertRule)> for AlertRules {
    fn from_iter<T: IntoIterator<Item = (EntityId, AlertRule)>>(rules: T) -> Self {
        Self(rules.into_iter().collect())
    }
}
