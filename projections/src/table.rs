//! What a table is: name, grain, key, columns with types and documentation.

use std::sync::Arc;

/// Type of a column. Times are microseconds UTC; durations are whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Text (ids in their hyphenated form, enumerations in `lower_snake`).
    Text,
    /// Signed 64-bit integer.
    Int,
    /// True or false.
    Bool,
    /// Instant, microseconds UTC.
    Time,
    /// JSON text.
    Json,
}

/// What a column means to row access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Dimension {
    /// Nothing.
    #[default]
    None,
    /// Site id.
    Site,
    /// Team id.
    Team,
    /// Queue id.
    Queue,
    /// Entry point id.
    EntryPoint,
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnDef {
    /// Name, `lower_snake`, unit last.
    pub name: &'static str,
    /// Type.
    pub column_type: ColumnType,
    /// Whether it may be null.
    pub nullable: bool,
    /// What it says, for `\d+` and the information schema.
    pub doc: &'static str,
    /// What it means to row access.
    pub dimension: Dimension,
}

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableDef {
    /// Name.
    pub name: &'static str,
    /// Grain and content.
    pub doc: &'static str,
    /// Columns in order. Every table begins with its key columns and ends with `valid_from_position`
    /// (position of the event that gave the row its present form).
    pub columns: &'static [ColumnDef],
    /// Names of the key columns.
    pub key: &'static [&'static str],
    /// Names of the columns by which the rows of a cold file are sorted.
    pub sort: &'static [&'static str],
    /// Whether it holds the present alone: never cold, and a dataset of real time.
    pub live: bool,
}

impl TableDef {
    /// Index of a column.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Value {
    /// Null.
    #[default]
    Null,
    /// Text or JSON.
    Text(Arc<str>),
    /// Integer.
    Int(i64),
    /// Truth.
    Bool(bool),
    /// Microseconds UTC.
    Time(i64),
}

/// A row: one value a column, in the table's order.
pub type Row = Arc<[Value]>;

/// The key of a row as text: the values of the key columns joined by `|`.
#[must_use]
pub fn key_text(def: &TableDef, row: &[Value]) -> String {
    let mut text = String::with_capacity(36);
    for (index, value) in row.iter().take(def.key.len()).enumerate() {
        if index > 0 {
            text.push('|');
        }
        match value {
            Value::Null => {}
            Value::Text(part) => text.push_str(part),
            Value::Int(number) => text.push_str(&number.to_string()),
            Value::Bool(truth) => text.push_str(if *truth { "true" } else { "false" }),
            Value::Time(micros) => {
                text.push_str(&ledgerline_schemas::Timestamp::from_micros(*micros).to_string());
            }
        }
    }
    text
}
