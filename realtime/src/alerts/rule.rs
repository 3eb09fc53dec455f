//! A rule, made ready for the rows of its table.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;

use ledgerline_projections::{Row, TableDef, Value};
use ledgerline_schemas::Timestamp;
use ledgerline_schemas::config::AlertRule;

use super::figure::{Amount, Figure};

/// A rule that is switched on and fits its table.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) says: AlertRule,
    pub(super) table: &'static TableDef,
    figure: Figure,
    /// Columns of which the row has to say one of these.
    only: Vec<(usize, BTreeSet<Arc<str>>)>,
}

impl Rule {
    /// The rule over one of these tables; none if it fits none.
    pub(super) fn of(says: &AlertRule, tables: &[&'static TableDef]) -> Option<Self> {
        let table = tables.iter().find(|table| table.name == says.dataset)?;
        let figure = Figure::of(table, &says.figure)?;
        let mut only = Vec::new();
        for (column, ids) in [
            ("queue_id", ids(&says.queue_ids)),
            ("team_id", ids(&says.team_ids)),
            ("site_id", ids(&says.site_ids)),
            ("entry_point_id", ids(&says.entry_point_ids)),
        ] {
            if !ids.is_empty() {
                only.push((table.column(column)?, ids));
            }
        }
        if !says.states.is_empty() {
            only.push((table.column("state")?, ids(&says.states)));
        }
        Some(Self { says: says.clone(), table, figure, only })
    }

    /// Whether it speaks of a row.
    pub(super) fn means(&self, row: &Row) -> bool {
        self.only.iter().all(|(at, ids)| match row.get(*at) {
            Some(Value::Text(id)) => ids.contains(id),
            _ => false,
        })
    }

    pub(super) fn read(&self, row: &Row, now: Timestamp) -> Option<Amount> {
        self.figure.read(row, now)
    }

    pub(super) fn is_out(&self, amount: Option<Amount>) -> bool {
        amount.is_some_and(|it| it.is_beyond(self.says.comparison, self.says.threshold))
    }

    /// Whether an alert that is open may stay so.
    pub(super) fn is_still_out(&self, amount: Option<Amount>) -> bool {
        amount.is_some_and(|it| it.is_beyond(self.says.comparison, self.says.clears_at()))
    }

    /// When time alone brings the figure out of bounds.
    pub(super) fn out_at(&self, row: &Row) -> Option<Timestamp> {
        self.figure.beyond_at(row, self.says.comparison, self.says.threshold)
    }

    /// Whether an alert of `before` can be told to be over by this rule.
    pub(super) fn goes_on_from(&self, before: &Self) -> bool {
        let (now, then) = (&self.says, &before.says);
        now.dataset == then.dataset
            && now.figure == then.figure
            && now.comparison == then.comparison
    }
}

fn ids<T: Display>(ids: &[T]) -> BTreeSet<Arc<str>> {
    ids.iter().map(|id| Arc::from(id.to_string())).collect()
}
