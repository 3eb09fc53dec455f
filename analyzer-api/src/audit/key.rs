//! One row of a table, named by its key: the values of the key columns with `|` between them, as everywhere.

use ledgerline_projections::{ColumnDef, ColumnType, TableDef};

use super::quoted;
use crate::error::QueryError;

/// The condition that a row is this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// SQL over the key columns, with `$1` … for the values.
    pub(crate) condition: String,
    /// The values.
    pub(crate) values: Vec<String>,
}

/// Reads the key of a row of `table`.
///
/// # Errors
/// [`QueryError::Value`] naming the columns, when there are more or fewer parts, or one is not of its column's type.
pub(crate) fn place(table: &TableDef, key: &str) -> Result<Place, QueryError> {
    let parts: Vec<&str> = key.split('|').collect();
    if parts.len() != table.key.len() {
        return Err(QueryError::Value(format!(
            "the key of {} is {}; it has {} parts here",
            table.name,
            table.key.join("|"),
            parts.len()
        )));
    }
    let mut place = Place { condition: String::new(), values: Vec::new() };
    // Every table begins with its key columns.
    for (column, part) in table.columns.iter().zip(parts) {
        if !place.condition.is_empty() {
            place.condition.push_str(" and ");
        }
        if part.is_empty() && column.nullable {
            place.condition.push_str(&format!("{} is null", quoted(column.name)));
            continue;
        }
        place.values.push(checked(table, column, part)?);
        let (name, number) = (quoted(column.name), place.values.len());
        place.condition.push_str(&match column.column_type {
            ColumnType::Text | ColumnType::Json => format!("{name} = cast(${number} as text)"),
            ColumnType::Int => format!("{name} = cast(${number} as bigint)"),
            ColumnType::Bool => format!("{name} = cast(${number} as boolean)"),
            ColumnType::Time => format!("{name} = cast(${number} as timestamptz)"),
        });
    }
    Ok(place)
}

fn checked(table: &TableDef, column: &ColumnDef, part: &str) -> Result<String, QueryError> {
    let wrong = |what: &str| {
        let (table, column) = (table.name, column.name);
        QueryError::Value(format!("the key of {table}: {column} is \"{part}\", which is no {what}"))
    };
    match column.column_type {
        ColumnType::Text | ColumnType::Json => {}
        ColumnType::Int => {
            part.parse::<i64>().map_err(|_| wrong("whole number"))?;
        }
        ColumnType::Bool => {
            part.parse::<bool>().map_err(|_| wrong("true or false"))?;
        }
        ColumnType::Time => {
            let digits = part.bytes().all(|byte| byte.is_ascii_digit());
            if digits || crate::past::Moment::parse(part).is_err() {
                return Err(wrong("instant"));
            }
        }
    }
    Ok(part.to_owned())
}
