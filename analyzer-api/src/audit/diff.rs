//! What is different between two moments: rows that came, went or changed, with both forms.

use ledgerline_projections::TableDef;
use serde_json::{Map, Value, json};

use super::{Asked, key, moments, quoted};
use crate::error::QueryError;

/// Prefixes of the two forms of a row in the flat answer.
const BEFORE: &str = "before.";
const AFTER: &str = "after.";
/// The column that tells which event shaped a row last. It alone does not make a row different: a row that became
/// something else and back is as it was.
const SHAPED_BY: &str = "valid_from_position";

/// The question for the rows of `table` that are not the same at two moments; of one row if a key is given.
///
/// # Errors
/// [`QueryError::Value`] for a moment or key that cannot be read.
pub(crate) fn difference(
    table: &TableDef,
    from: &str,
    to: &str,
    key: Option<&str>,
) -> Result<Asked, QueryError> {
    let (from, to) = (moments::at(table, Some(from))?, moments::at(table, Some(to))?);
    let (of_one, values) = match key {
        Some(key) => {
            let place = key::place(table, key)?;
            (format!(" where {}", place.condition), place.values)
        }
        None => (String::new(), Vec::new()),
    };
    // Every table begins with its key columns.
    let joined: Vec<String> = table
        .columns
        .iter()
        .take(table.key.len())
        .map(|column| {
            let same = if column.nullable { "is not distinct from" } else { "=" };
            format!("(b.{0} {same} a.{0})", quoted(column.name))
        })
        .collect();
    let shown: Vec<String> = table
        .columns
        .iter()
        .flat_map(|column| {
            let form = |side: &str, prefix: &str| {
                format!("{side}.{} as \"{prefix}{}\"", quoted(column.name), column.name)
            };
            [form("b", BEFORE), form("a", AFTER)]
        })
        .collect();
    let shaped = quoted(SHAPED_BY);
    let different: Vec<String> = table
        .columns
        .iter()
        .filter(|column| column.name != SHAPED_BY && !table.key.contains(&column.name))
        // In parentheses: PostgreSQL's parser takes what follows FROM as far as it goes.
        .map(|column| format!("(b.{0} is distinct from a.{0})", quoted(column.name)))
        .chain([format!("(b.{shaped} is null)"), format!("(a.{shaped} is null)")])
        .collect();
    let order: Vec<String> =
        table.key.iter().map(|column| format!("coalesce(a.{0}, b.{0})", quoted(column))).collect();
    let sql = format!(
        "select {} from (select * from {from}{of_one}) b full join (select * from {to}{of_one}) a on {} where {} order by {}",
        shown.join(", "),
        joined.join(" and "),
        different.join(" or "),
        order.join(", ")
    );
    Ok(Asked { sql, values })
}

/// A row of the flat answer as what became of a row.
pub(crate) fn arranged(table: &TableDef, flat: &Map<String, Value>) -> Value {
    let form = |prefix: &str| -> Map<String, Value> {
        let columns = table.columns.iter().map(|column| {
            let value = flat.get(&format!("{prefix}{}", column.name)).cloned();
            (column.name.to_owned(), value.unwrap_or_default())
        });
        columns.collect()
    };
    let (before, after) = (form(BEFORE), form(AFTER));
    let there = |row: &Map<String, Value>| row.get(SHAPED_BY).is_some_and(|it| !it.is_null());
    let (was, is) = (there(&before), there(&after));
    let keyed = if is { &after } else { &before };
    let key: Map<String, Value> = keyed
        .iter()
        .filter(|(name, _)| table.key.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let change = match (was, is) {
        (false, _) => "insert",
        (true, true) => "update",
        (true, false) => "delete",
    };
    let changed: Vec<&str> = table
        .columns
        .iter()
        .map(|column| column.name)
        .filter(|name| was && is && *name != SHAPED_BY && before.get(*name) != after.get(*name))
        .collect();
    json!({
        "change": change,
        "key": key,
        "changed": changed,
        "before": was.then_some(before),
        "after": is.then_some(after),
    })
}
