//! A publication in the words of the engines that read it: statements that make each table known by its name.
//!
//! Files are named one by one: what else lies beside them is not part of a table. Columns too: a merged file has one
//! more.

use crate::publication::{Publication, PublishedColumn, PublishedTable};

/// How an engine writes what the statements need.
struct Dialect {
    /// No value, of the type of a column.
    null: fn(kind: &str) -> String,
    /// Statements before the view of a table, and its rows from these addresses.
    rows: fn(name: &str, columns: &str, files: &[String]) -> (String, String),
}

/// Views of DuckDB.
pub(crate) fn duckdb(address: &str, publication: &Publication) -> String {
    let null = |kind: &str| {
        let kind = match kind {
            "int" => "BIGINT",
            "bool" => "BOOLEAN",
            "time" => "TIMESTAMPTZ",
            _ => "VARCHAR",
        };
        format!("NULL::{kind}")
    };
    let rows = |_: &str, columns: &str, files: &[String]| {
        let files = files.join(", ");
        let rows = format!("SELECT {columns} FROM read_parquet([{files}], union_by_name = true)");
        (String::new(), rows)
    };
    statements(&Dialect { null, rows }, address, publication)
}

/// External tables and views of DataFusion, and so of Ballista: an external table is one file or a whole folder, so
/// each file is one.
pub(crate) fn datafusion(address: &str, publication: &Publication) -> String {
    let null = |kind: &str| {
        let kind = match kind {
            "int" => "Int64",
            "bool" => "Boolean",
            "time" => "Timestamp(Microsecond, Some(\"+00:00\"))",
            _ => "Utf8",
        };
        format!("arrow_cast(NULL, '{kind}')")
    };
    let rows = |name: &str, columns: &str, files: &[String]| {
        let part = |number: usize| format!("\"{name}.{number}\"");
        let tables = files.iter().enumerate().map(|(index, file)| {
            let part = part(index + 1);
            format!("CREATE EXTERNAL TABLE {part} STORED AS PARQUET LOCATION {file};\n")
        });
        let rows =
            (1..=files.len()).map(|number| format!("SELECT {columns} FROM {}", part(number)));
        (tables.collect(), rows.collect::<Vec<_>>().join(" UNION ALL "))
    };
    statements(&Dialect { null, rows }, address, publication)
}

fn statements(dialect: &Dialect, address: &str, publication: &Publication) -> String {
    let mut text = format!(
        "-- The tables of organization {} at position {}.\n",
        publication.org_id, publication.position
    );
    for (name, table) in &publication.tables {
        let PublishedTable { columns, files } = table;
        let files: Vec<String> = files.iter().map(|file| quoted(address, &file.object)).collect();
        let of = |column: &PublishedColumn| match files.is_empty() {
            true => format!("{} AS \"{}\"", (dialect.null)(&column.kind), column.name),
            false => format!("\"{}\"", column.name),
        };
        let columns = columns.iter().map(of).collect::<Vec<_>>().join(", ");
        let (before, rows) = match files.is_empty() {
            true => (String::new(), format!("SELECT {columns} WHERE false")),
            false => (dialect.rows)(name, &columns, &files),
        };
        text.push_str(&format!("{before}CREATE OR REPLACE VIEW \"{name}\" AS {rows};\n"));
    }
    text
}

/// Where a file is, as a literal.
fn quoted(address: &str, object: &str) -> String {
    format!("'{}/{object}'", address.trim_end_matches('/').replace('\'', "''"))
}
