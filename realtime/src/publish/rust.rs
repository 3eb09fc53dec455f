//! Rows of the datasets as Rust types.

use std::fmt::Write as _;

use ledgerline_projections::{ColumnDef, ColumnType};

use super::{datasets, pascal};

const HEAD: &str = "\
//! Rows of the live datasets. Generated from the tables by `cargo xtask schemas`.

use ledgerline_schemas::Timestamp;
use serde::Deserialize;
use serde_json::Value as Json;

use super::LiveRow;
";

pub(super) fn rows() -> String {
    let mut text = HEAD.to_owned();
    for table in datasets() {
        let name = pascal(table.name);
        let _ = write!(
            text,
            "\n/// {}\n#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]\npub struct {name} {{\n",
            table.doc
        );
        for column in table.columns {
            let _ = writeln!(text, "    /// {}", column.doc);
            let _ = writeln!(text, "    pub {}: {},", column.name, type_of(column));
        }
        let _ = write!(
            text,
            "}}\n\nimpl LiveRow for {name} {{\n    const DATASET: &'static str = \"{}\";\n}}\n",
            table.name
        );
    }
    text
}

fn type_of(column: &ColumnDef) -> String {
    let plain = match column.column_type {
        ColumnType::Text => "String",
        ColumnType::Int => "i64",
        ColumnType::Bool => "bool",
        ColumnType::Time => "Timestamp",
        // Has a null of its own.
        ColumnType::Json => return "Json".to_owned(),
    };
    if column.nullable { format!("Option<{plain}>") } else { plain.to_owned() }
}
