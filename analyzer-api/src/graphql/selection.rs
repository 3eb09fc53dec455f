//! Which fields a query selects: what has to be computed, before it is.

use async_graphql::{SelectionField, Value};
use ledgerline_projections::ColumnDef;
use ledgerline_schemas::Position;
use ledgerline_schemas::id::OrgId;

use super::cursor::{After, Cursor};
use super::filter::{textual, whole};
use super::kind::{self, Activities, Kind};
use crate::error::QueryError;
use crate::views::View;

/// Activities of a record unless told, and at most.
pub(super) const FIRST_MAX: u64 = 100;
/// Fields of an aggregated record that are not columns.
pub(super) const AGGREGATION: &str = "aggregation";
pub(super) const INTERVAL_START: &str = "intervalStartTime";

/// What is selected of a query's records.
#[derive(Debug, Default)]
pub(super) struct Selected {
    /// Their own columns, in the order of the view.
    pub(super) columns: Vec<&'static ColumnDef>,
    /// The activities, for each set of arguments once.
    pub(super) activities: Vec<Listing>,
    /// The channels, if they are selected, and their activities.
    pub(super) channels: Option<Vec<Listing>>,
    /// Fields that only aggregated records have.
    pub(super) aggregated: bool,
    /// Position that a cursor of activities holds.
    pub(super) position: Option<Position>,
}

/// Activities of every record of a page.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    pub(super) slice: Slice,
    pub(super) columns: Vec<&'static ColumnDef>,
}

/// Which activities of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    pub(super) first: u64,
    pub(super) after: u64,
}

impl Selected {
    /// # Errors
    /// [`QueryError::Value`] naming the argument of activities that is wrong.
    pub(super) fn read(
        kind: &Kind,
        org_id: OrgId,
        query: &SelectionField<'_>,
    ) -> Result<Self, QueryError> {
        let mut selected = Self::default();
        let mut columns = Columns::of(kind.view);
        for list in query.selection_set().filter(|field| field.name() == kind.list) {
            for field in list.selection_set() {
                match (field.name(), kind.activities) {
                    (AGGREGATION | INTERVAL_START, _) => selected.aggregated = true,
                    (kind::ACTIVITIES, Some(activities)) => {
                        let position =
                            listing(&mut selected.activities, activities, org_id, &field)?;
                        selected.pin(position)?;
                    }
                    (kind::CHANNELS, Some(activities)) => {
                        let mut listings = selected.channels.take().unwrap_or_default();
                        for nested in field.selection_set() {
                            if nested.name() == kind::ACTIVITIES {
                                let position = listing(&mut listings, activities, org_id, &nested)?;
                                selected.pin(position)?;
                            }
                        }
                        selected.channels = Some(listings);
                    }
                    _ => columns.add(&field),
                }
            }
        }
        selected.columns = columns.chosen();
        Ok(selected)
    }

    fn pin(&mut self, position: Option<Position>) -> Result<(), QueryError> {
        match (self.position, position) {
            (Some(one), Some(other)) if one != other => Err(QueryError::Value(
                "activities: after: the cursors are of different positions".to_owned(),
            )),
            (_, None) => Ok(()),
            (_, position) => {
                self.position = position;
                Ok(())
            }
        }
    }
}

/// Adds what a field `activities` selects; gives the position of its cursor.
fn listing(
    listings: &mut Vec<Listing>,
    activities: &'static Activities,
    org_id: OrgId,
    field: &SelectionField<'_>,
) -> Result<Option<Position>, QueryError> {
    let arguments = field.arguments().map_err(|error| QueryError::Plan(error.message.clone()))?;
    let value = |name: &str| arguments.iter().find(|(it, _)| it == name).map(|(_, value)| value);
    let (slice, position) = Slice::read(org_id, value("first"), value("after"))?;
    let mut columns = Columns::of(activities.view);
    for nodes in field.selection_set().filter(|nested| nested.name() == "nodes") {
        nodes.selection_set().for_each(|column| columns.add(&column));
    }
    match listings.iter_mut().find(|listing| listing.slice == slice) {
        Some(known) => {
            known.columns.iter().for_each(|column| columns.mark(column.name));
            known.columns = columns.chosen();
        }
        None => listings.push(Listing { slice, columns: columns.chosen() }),
    }
    Ok(position)
}

impl Slice {
    /// From the arguments `first` and `after`, with the position of the cursor.
    ///
    /// # Errors
    /// [`QueryError::Value`] naming the argument.
    pub(super) fn read(
        org_id: OrgId,
        first: Option<&Value>,
        after: Option<&Value>,
    ) -> Result<(Self, Option<Position>), QueryError> {
        let first = match first.filter(|value| **value != Value::Null) {
            None => FIRST_MAX,
            Some(value) => whole(value)
                .and_then(|first| u64::try_from(first).ok())
                .filter(|first| (1..=FIRST_MAX).contains(first))
                .ok_or_else(|| {
                    QueryError::Value(format!(
                        "activities: first is {value}; it can be 1 to {FIRST_MAX}"
                    ))
                })?,
        };
        let after = after.and_then(textual).filter(|text| !text.is_empty() && text != "0");
        let cursor = after
            .map(|text| Cursor::decode("activities: after", &text, &Self::question(org_id)))
            .transpose()?;
        let (after, position) = match cursor {
            None => (0, None),
            Some(Cursor { position, after: After::Rows(rows) }) => (rows, Some(position)),
            Some(_) => {
                return Err(QueryError::Value(
                    "activities: after is a cursor of records".to_owned(),
                ));
            }
        };
        Ok((Self { first, after }, position))
    }

    /// What a cursor of activities is bound to.
    pub(super) fn question(org_id: OrgId) -> String {
        format!("{org_id} activities")
    }
}

/// Columns of a view, each chosen or not.
struct Columns {
    view: &'static View,
    chosen: Vec<bool>,
}

impl Columns {
    fn of(view: &'static View) -> Self {
        Self { view, chosen: vec![false; view.def.columns.len()] }
    }

    fn mark(&mut self, name: &str) {
        for (column, chosen) in self.view.def.columns.iter().zip(&mut self.chosen) {
            *chosen |= column.name == name;
        }
    }

    /// The column of a field, or those of an object's fields.
    fn add(&mut self, field: &SelectionField<'_>) {
        self.mark(field.name());
        for nested in field.selection_set() {
            self.mark(&format!("{}.{}", field.name(), nested.name()));
        }
    }

    fn chosen(&self) -> Vec<&'static ColumnDef> {
        let columns = self.view.def.columns.iter().zip(&self.chosen);
        columns.filter(|(_, chosen)| **chosen).map(|(column, _)| column).collect()
    }
}
