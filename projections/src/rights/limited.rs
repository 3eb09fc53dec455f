//! Limited rights, and what they show of a row.

use std::collections::BTreeSet;
use std::sync::Arc;

use ledgerline_schemas::config::alert_rule::DATASETS;
use ledgerline_schemas::config::{Granted, Module};
use uuid::Uuid;

use super::rule::{Test, rule};
use crate::table::{ColumnDef, ColumnType, Row, TableDef, Value};
use crate::tables::{self, Alerts, TableRow as _};

/// What a masked text shows.
pub const MASK: &str = "***";
/// The same as JSON text.
const MASK_JSON: &str = "\"***\"";
/// Kinds of configuration that name codes and skills and belong to no place.
const NAMING: [&str; 3] = ["aux_code", "multimedia_profile", "skill"];

/// Table and column index of every column that is masked.
pub(super) type Masks = BTreeSet<(&'static str, usize)>;

/// Whether alerts can be about the rows of a table.
fn is_dataset(def: &TableDef) -> bool {
    DATASETS.iter().any(|it| it.name == def.name)
}

/// Ids in the form in which rows have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ids {
    /// Any.
    All,
    /// These.
    Only(BTreeSet<Arc<str>>),
}

impl Ids {
    pub(super) fn only(ids: impl Iterator<Item = Uuid>) -> Self {
        Self::Only(ids.map(|id| Arc::from(id.hyphenated().to_string())).collect())
    }

    /// Whether any will do.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// Whether a row's value is one of them. Null is none.
    fn has(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::All, _) => true,
            (Self::Only(ids), Value::Text(id)) => ids.contains(id),
            _ => false,
        }
    }
}

/// Rights that do not reach everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limited {
    pub(super) modules: Granted<Module>,
    /// Sites granted.
    pub sites: Ids,
    /// Teams granted; only those of granted sites count.
    pub teams: Ids,
    /// Teams that belong to granted sites now.
    pub teams_of_sites: Ids,
    /// Queues granted.
    pub queues: Ids,
    /// Entry points granted.
    pub entry_points: Ids,
    pub(super) masks: Masks,
}

/// What a masked column shows: a constant, so that it tells nothing and joins nothing.
#[must_use]
pub fn mask_value(column: ColumnType) -> Value {
    match column {
        ColumnType::Text => Value::Text(MASK.into()),
        ColumnType::Json => Value::Text(MASK_JSON.into()),
        ColumnType::Int | ColumnType::Bool | ColumnType::Time => Value::Null,
    }
}

impl Limited {
    /// Whether a module is open.
    #[must_use]
    pub fn opens(&self, module: Module) -> bool {
        self.modules.includes(module)
    }

    /// The same rights with every module open, to find out whether a row is granted at all.
    #[must_use]
    pub fn with_all_modules(&self) -> Self {
        Self { modules: Granted::All, ..self.clone() }
    }

    /// Whether every place is granted.
    #[must_use]
    pub const fn sees_all_rows(&self) -> bool {
        self.sees_all_staff() && self.queues.is_all() && self.entry_points.is_all()
    }

    /// Whether every site and team is granted.
    #[must_use]
    pub const fn sees_all_staff(&self) -> bool {
        self.sites.is_all() && self.teams.is_all()
    }

    /// Whether any column is masked.
    #[must_use]
    pub fn masks_any(&self) -> bool {
        !self.masks.is_empty()
    }

    /// Whether a column, by its index, is masked.
    #[must_use]
    pub fn masks(&self, table: &TableDef, column: usize) -> bool {
        self.masks.contains(&(table.name, column))
    }

    /// Whether one of the columns that identify a row is masked.
    #[must_use]
    pub fn masks_key(&self, table: &TableDef) -> bool {
        (0..table.key.len()).any(|column| self.masks(table, column))
    }

    /// Whether a table is there at all.
    #[must_use]
    pub fn sees(&self, table: &TableDef) -> bool {
        rule(table.name).is_some_and(|rule| {
            let whole = self.sees_all_rows() || !rule.tests.contains(&Test::WholeOnly);
            self.opens(rule.module) && whole
        })
    }

    /// Whether a row of the table is granted or not can be told from the row alone.
    #[must_use]
    pub fn decides_by_row(&self, table: &TableDef) -> bool {
        let elsewhere = |test: &Test| matches!(test, Test::Interaction { .. } | Test::Session);
        self.sees_all_rows()
            || rule(table.name).is_some_and(|rule| !rule.tests.iter().any(elsewhere))
    }

    /// The row as it is shown; none when it is not, or when the row alone does not tell.
    #[must_use]
    pub fn show(&self, table: &TableDef, row: &Row) -> Option<Row> {
        self.grants(table, row).then(|| self.masked(table, row))
    }

    /// Whether a row is granted, as far as it tells itself.
    #[must_use]
    pub fn grants(&self, table: &TableDef, row: &Row) -> bool {
        let Some(rule) = rule(table.name).filter(|_| self.sees(table)) else { return false };
        // What an alert tells of a row may be masked there.
        let whole = self.sees_all_rows() && !rule.tests.contains(&Test::Alert);
        whole || rule.tests.iter().all(|test| self.holds(*test, table, row))
    }

    /// The live tables whose alerts tell nothing that is masked there: no figure, no key, no column that alerts have
    /// too.
    pub fn alert_datasets(&self) -> impl Iterator<Item = &'static str> + '_ {
        let tells = |table: &TableDef, column: &ColumnDef| {
            matches!(column.column_type, ColumnType::Int | ColumnType::Time)
                || table.key.contains(&column.name)
                || Alerts::DEF.column(column.name).is_some()
        };
        let is_open = move |table: &&'static TableDef| {
            let columns = || table.columns.iter().enumerate();
            !columns().any(|(at, column)| tells(table, column) && self.masks(table, at))
        };
        tables::ALL.iter().filter(|def| is_dataset(def)).filter(is_open).map(|def| def.name)
    }

    fn masked(&self, table: &TableDef, row: &Row) -> Row {
        if !self.masks.iter().any(|(name, _)| *name == table.name) {
            return Arc::clone(row);
        }
        let shown = row.iter().enumerate().map(|(at, value)| match table.columns.get(at) {
            Some(column) if self.masks(table, at) => mask_value(column.column_type),
            _ => value.clone(),
        });
        shown.collect()
    }

    fn holds(&self, test: Test, table: &TableDef, row: &Row) -> bool {
        let value =
            |name: &str| table.column(name).and_then(|at| row.get(at)).unwrap_or(&Value::Null);
        match test {
            Test::Queue { column, or_none } => {
                let queue = value(column);
                self.queues.has(queue) || (or_none && *queue == Value::Null)
            }
            Test::EntryPoint { column } => self.entry_points.has(value(column)),
            Test::QueueOrEntryPoint { queue, entry_point } => match value(queue) {
                Value::Null => self.entry_points.has(value(entry_point)),
                queue => self.queues.has(queue),
            },
            Test::WholeSite { column } => self.teams.is_all() && self.sites.has(value(column)),
            Test::Staff { team, site, nobody_yet } => {
                let (team, site) = (value(team), site.map_or(&Value::Null, value));
                let of_site = match site {
                    Value::Null => self.teams_of_sites.has(team),
                    site => self.sites.has(site),
                };
                let nobody = nobody_yet.is_some_and(|agent| {
                    [value(agent), team, site].into_iter().all(|it| *it == Value::Null)
                });
                self.sees_all_staff() || (of_site && self.teams.has(team)) || nobody
            }
            Test::Entity => {
                let (Value::Text(kind), id) = (value("kind"), value("entity_id")) else {
                    return false;
                };
                match &**kind {
                    "site" => self.sites.has(id),
                    "team" => self.teams_of_sites.has(id) && self.teams.has(id),
                    "queue" => self.queues.has(id),
                    "entry_point" => self.entry_points.has(id),
                    kind => NAMING.contains(&kind),
                }
            }
            Test::Alert => {
                let Value::Text(dataset) = value("dataset") else { return false };
                let known = self.alert_datasets().find(|name| *name == &**dataset);
                let Some(about) = known.and_then(rule) else { return false };
                // Alerts have the columns that the rights of their rows follow from.
                self.sees_all_rows() || about.tests.iter().all(|test| self.holds(*test, table, row))
            }
            Test::Interaction { .. } | Test::Session | Test::WholeOnly => false,
        }
    }

    /// Kinds of configuration that are shown to everybody who sees configuration.
    #[must_use]
    pub const fn naming_kinds() -> [&'static str; 3] {
        NAMING
    }
}
