//! The state of every rule on every row: calm, out of bounds for a while, or an open alert.
//!
//! It does no input or output and reads no clock: rows, rules and instants are given to it, and what has to be put on
//! the log is taken from it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ledgerline_projections::{ChangeBatch, Row, RowChange, TableDef};
use ledgerline_schemas::config::AlertRule;
use ledgerline_schemas::event::alert::{AlertClearReason, AlertFired};
use ledgerline_schemas::id::{AlertId, EntityId, EventId};
use ledgerline_schemas::{Event, Position, Timestamp};

use super::figure::Amount;
use super::open::{Open, place};
use super::rule::Rule;
use super::rules::AlertRules;
use crate::feed::LiveState;

/// The live table that holds open alerts.
pub const ALERTS: &str = "alerts";

/// Something that happened to an alert, to be put on the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertFact {
    /// Id of the event: the same however often it is recorded.
    pub id: EventId,
    /// The rule, whose stream it belongs to.
    pub rule_id: EntityId,
    /// When it happened.
    pub time: Timestamp,
    /// `alert.fired` or `alert.cleared`.
    pub event: Event,
}

/// When a figure went out of bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Began {
    at: Timestamp,
    position: Position,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// In bounds. An age leaves them by itself when it is due.
    Calm,
    /// Out of bounds, not for long enough yet.
    Out(Began),
    /// Fired.
    Open(Box<Open>),
}

/// A rule on a row.
type Key = (EntityId, Arc<str>);

#[derive(Debug)]
struct Watch {
    phase: Phase,
    /// When to look again though nothing changed.
    due: Option<Timestamp>,
}

/// Rules, rows and how they stand to each other.
#[derive(Debug, Default)]
pub struct Evaluator {
    tables: Vec<&'static TableDef>,
    /// Every change up to here was seen.
    position: Position,
    known: AlertRules,
    rules: BTreeMap<EntityId, Rule>,
    rows: BTreeMap<&'static str, BTreeMap<Arc<str>, Row>>,
    /// What is neither calm nor due is not here.
    watches: BTreeMap<Key, Watch>,
    due: BTreeSet<(Timestamp, Key)>,
    facts: VecDeque<AlertFact>,
}

impl Evaluator {
    /// Over these live tables, with the alerts that are open in `state`. It watches nothing before
    /// [`Self::attach`].
    #[must_use]
    pub fn new(tables: &[&'static TableDef], state: &LiveState) -> Self {
        let mut evaluator = Self::default();
        for table in tables {
            if table.name == ALERTS {
                let open = state.table(ALERTS);
                for open in open.values().filter_map(|row| Open::shown(table, row)) {
                    evaluator.keep(open);
                }
            } else if table.live {
                evaluator.tables.push(table);
            }
        }
        evaluator
    }

    fn keep(&mut self, open: Open) {
        let key = (open.rule_id, Arc::from(open.row_key.as_str()));
        self.watches.insert(key, Watch { phase: Phase::Open(Box::new(open)), due: None });
    }

    /// Takes rows and rules as they are at the begin of a feed.
    pub fn attach(&mut self, state: &LiveState, rules: AlertRules, now: Timestamp) {
        self.position = state.position;
        self.rows.clear();
        for table in &self.tables {
            self.rows.insert(table.name, BTreeMap::clone(&state.table(table.name)));
        }
        let ids: BTreeSet<EntityId> = (self.known.ids().chain(rules.ids()))
            .chain(self.watches.keys().map(|(rule_id, _)| *rule_id))
            .collect();
        self.known = rules;
        for id in ids {
            self.rule_changed(id, now);
        }
    }

    /// Takes in what follows.
    pub fn take(&mut self, batch: &ChangeBatch, now: Timestamp) {
        let mut touched: BTreeSet<(&'static str, Arc<str>)> = BTreeSet::new();
        let mut changed: BTreeSet<EntityId> = BTreeSet::new();
        let reached = self.position;
        for change in batch.changes.iter().filter(|change| change.position > reached) {
            // One event may change a row more than once: only what it comes to counts.
            if change.position > self.position {
                self.look_at(&mut touched, &mut changed, now);
                self.position = change.position;
            }
            self.note(change, &mut touched, &mut changed);
        }
        self.look_at(&mut touched, &mut changed, now);
        self.position = self.position.max(batch.to);
    }

    fn note(
        &mut self,
        change: &RowChange,
        touched: &mut BTreeSet<(&'static str, Arc<str>)>,
        changed: &mut BTreeSet<EntityId>,
    ) {
        changed.extend(self.known.note(change));
        let Some(rows) = self.rows.get_mut(change.table.name) else { return };
        match &change.after {
            Some(row) => rows.insert(Arc::clone(&change.key), Arc::clone(row)),
            None => rows.remove(&change.key),
        };
        touched.insert((change.table.name, Arc::clone(&change.key)));
    }

    fn look_at(
        &mut self,
        touched: &mut BTreeSet<(&'static str, Arc<str>)>,
        changed: &mut BTreeSet<EntityId>,
        now: Timestamp,
    ) {
        for id in std::mem::take(changed) {
            self.rule_changed(id, now);
        }
        for (table, row_key) in std::mem::take(touched) {
            let of_table = self.rules.iter().filter(|(_, rule)| rule.table.name == table);
            let ids: Vec<EntityId> = of_table.map(|(id, _)| *id).collect();
            for id in ids {
                self.look((id, Arc::clone(&row_key)), now);
            }
        }
    }

    /// Looks at what is due by now.
    pub fn tick(&mut self, now: Timestamp) {
        while let Some((due, key)) = self.due.first().cloned() {
            if due > now {
                break;
            }
            self.due.pop_first();
            if let Some(watch) = self.watches.get_mut(&key) {
                watch.due = None;
            }
            self.look(key, now);
        }
    }

    /// When to [`Self::tick`] next.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The oldest fact that was not taken yet; it stays until [`Self::recorded`].
    #[must_use]
    pub fn next_fact(&self) -> Option<&AlertFact> {
        self.facts.front()
    }

    /// The oldest fact is on the log.
    pub fn recorded(&mut self) {
        self.facts.pop_front();
    }

    /// A rule is as `known` says from now on.
    fn rule_changed(&mut self, id: EntityId, now: Timestamp) {
        let says: Option<&AlertRule> = self.known.get(id);
        let rule = says.and_then(|says| Rule::of(says, &self.tables));
        if let (Some(says), None) = (says, &rule) {
            tracing::warn!(rule = %says.name, dataset = %says.dataset, "the rule fits no live table");
        }
        let before = self.rules.remove(&id);
        let first: Key = (id, Arc::from(""));
        let keys: Vec<Key> = (self.watches.range(first..).map(|(key, _)| key))
            .take_while(|(rule_id, _)| *rule_id == id)
            .cloned()
            .collect();
        let goes_on = |open: &Open| match (&rule, &before) {
            (Some(rule), Some(before)) => rule.goes_on_from(before),
            // After a start nothing else is known of what it was.
            (Some(rule), None) => rule.says.dataset == open.dataset,
            (None, _) => false,
        };
        let mut over = Vec::new();
        for key in &keys {
            let open = match self.watches.get(key).map(|watch| &watch.phase) {
                Some(Phase::Open(open)) if goes_on(open) => continue,
                Some(Phase::Open(open)) => Some(open.clone()),
                _ => None,
            };
            over.push((key.clone(), open));
        }
        for (key, open) in over {
            self.forget(&key);
            if let Some(open) = open {
                self.clear(&open, AlertClearReason::RuleChanged, None, now);
            }
        }
        let Some(rule) = rule else { return };
        let rows = self.rows.get(rule.table.name).into_iter().flat_map(BTreeMap::keys);
        let rows = rows.map(|row_key| (id, Arc::clone(row_key)));
        let all: BTreeSet<Key> = rows.chain(keys).collect();
        self.rules.insert(id, rule);
        for key in all {
            self.look(key, now);
        }
    }

    /// Brings a rule on a row in line with the row as it is.
    fn look(&mut self, key: Key, now: Timestamp) {
        let Some(rule) = self.rules.get(&key.0) else { return };
        let row = self.rows.get(rule.table.name).and_then(|rows| rows.get(&key.1));
        let row = row.filter(|row| rule.means(row));
        let phase = self.watches.get(&key).map_or(&Phase::Calm, |watch| &watch.phase);
        let Some(row) = row else {
            let open = match phase {
                Phase::Open(open) => Some(open.clone()),
                Phase::Calm | Phase::Out(_) => None,
            };
            self.forget(&key);
            if let Some(open) = open {
                self.clear(&open, AlertClearReason::RowGone, None, now);
            }
            return;
        };
        let amount = rule.read(row, now);
        match phase {
            Phase::Open(_) if rule.is_still_out(amount) => {}
            Phase::Open(open) => {
                let (open, due) = (open.clone(), rule.out_at(row).filter(|due| *due > now));
                self.set(key, Phase::Calm, due);
                self.clear(&open, AlertClearReason::Recovered, amount.map(Amount::floor), now);
            }
            Phase::Calm | Phase::Out(_) if !rule.is_out(amount) => {
                let due = rule.out_at(row).filter(|due| *due > now);
                self.set(key, Phase::Calm, due);
            }
            Phase::Calm | Phase::Out(_) => {
                let began = match phase {
                    Phase::Out(began) => *began,
                    _ => Began {
                        at: rule.out_at(row).unwrap_or(now).min(now),
                        position: self.position,
                    },
                };
                let due = began.at.plus_ms(rule.says.for_ms);
                match amount {
                    Some(amount) if now >= due => {
                        let fired = fired(&key, rule, row, began, amount, self.position);
                        self.keep_fired(key, &fired);
                        self.tell(fired.alert_id, "fired", fired.rule_id, fired.into(), now);
                    }
                    _ => self.set(key, Phase::Out(began), Some(due)),
                }
            }
        }
    }

    fn keep_fired(&mut self, key: Key, fired: &AlertFired) {
        self.set(key, Phase::Open(Box::new(Open::of(fired))), None);
    }

    fn set(&mut self, key: Key, phase: Phase, due: Option<Timestamp>) {
        self.forget(&key);
        if phase == Phase::Calm && due.is_none() {
            return;
        }
        self.due.extend(due.map(|due| (due, key.clone())));
        self.watches.insert(key, Watch { phase, due });
    }

    fn forget(&mut self, key: &Key) {
        let due = self.watches.remove(key).and_then(|watch| watch.due);
        if let Some(due) = due {
            self.due.remove(&(due, key.clone()));
        }
    }

    fn clear(&mut self, open: &Open, reason: AlertClearReason, value: Option<i64>, now: Timestamp) {
        let cleared = open.cleared(reason, value, self.position);
        self.tell(open.alert_id, "cleared", open.rule_id, cleared.into(), now);
    }

    fn tell(
        &mut self,
        alert_id: AlertId,
        what: &str,
        rule_id: EntityId,
        event: Event,
        time: Timestamp,
    ) {
        let id = EventId::derived(alert_id.uuid(), what);
        self.facts.push_back(AlertFact { id, rule_id, time, event });
    }
}

fn fired(
    (rule_id, row_key): &Key,
    rule: &Rule,
    row: &Row,
    began: Began,
    amount: Amount,
    read_position: Position,
) -> AlertFired {
    let says = &rule.says;
    AlertFired {
        alert_id: AlertId::derived(rule_id.uuid(), &format!("{row_key}@{}", began.position)),
        rule_id: *rule_id,
        rule: says.name.clone(),
        severity: says.severity,
        message: says.message.clone(),
        dataset: says.dataset.clone(),
        row_key: row_key.to_string(),
        place: place(rule.table, row),
        figure: says.figure.text(),
        comparison: says.comparison,
        threshold: says.threshold,
        value: amount.floor(),
        began_at: began.at,
        began_position: began.position,
        read_position,
    }
}
