//! Tables, views and indexes by their names, as the views of PostgreSQL's catalogs list them.

use super::keys;
use super::model::{Model, Table};
use super::rows::{Kind, Row, row};

/// Columns of `pg_tables`.
pub(crate) const TABLES: &[(&str, Kind)] = &[
    ("schemaname", Kind::Text),
    ("tablename", Kind::Text),
    ("tableowner", Kind::Text),
    ("tablespace", Kind::Text),
    ("hasindexes", Kind::Bool),
    ("hasrules", Kind::Bool),
    ("hastriggers", Kind::Bool),
    ("rowsecurity", Kind::Bool),
];

/// Rows of `pg_tables`.
pub(crate) fn tables(model: &Model) -> Vec<Row> {
    let one = |table: &Table| {
        row! {
            schemaname = "public", tablename = table.def.name, tableowner = "ledgerline",
            hasindexes = keys::has_key(table), hasrules = false, hastriggers = false, rowsecurity = false,
        }
    };
    model.tables.iter().filter(|table| table.view.is_none()).map(one).collect()
}

/// Columns of `pg_views`.
pub(crate) const VIEWS: &[(&str, Kind)] = &[
    ("schemaname", Kind::Text),
    ("viewname", Kind::Text),
    ("viewowner", Kind::Text),
    ("definition", Kind::Text),
];

/// Rows of `pg_views`.
pub(crate) fn views(model: &Model) -> Vec<Row> {
    let one = |table: &Table| {
        table.view.as_ref().map(|sql| {
            row! {
                schemaname = "public", viewname = table.def.name, viewowner = "ledgerline",
                definition = sql.as_str(),
            }
        })
    };
    model.tables.iter().filter_map(one).collect()
}

/// Columns of `pg_indexes`.
pub(crate) const INDEXES: &[(&str, Kind)] = &[
    ("schemaname", Kind::Text),
    ("tablename", Kind::Text),
    ("indexname", Kind::Text),
    ("tablespace", Kind::Text),
    ("indexdef", Kind::Text),
];

/// Rows of `pg_indexes`.
pub(crate) fn indexes(model: &Model) -> Vec<Row> {
    let one = |(table, index, definition): (&str, String, String)| {
        row! {
            schemaname = "public", tablename = table, indexname = index, indexdef = definition,
        }
    };
    keys::listed(model).map(one).collect()
}

/// Columns of `pg_matviews`.
pub(crate) const MATVIEWS: &[(&str, Kind)] = &[
    ("schemaname", Kind::Text),
    ("matviewname", Kind::Text),
    ("matviewowner", Kind::Text),
    ("tablespace", Kind::Text),
    ("hasindexes", Kind::Bool),
    ("ispopulated", Kind::Bool),
    ("definition", Kind::Text),
];

/// Columns of `pg_sequences`.
pub(crate) const SEQUENCES: &[(&str, Kind)] = &[
    ("schemaname", Kind::Text),
    ("sequencename", Kind::Text),
    ("sequenceowner", Kind::Text),
    ("data_type", Kind::Int),
    ("start_value", Kind::Big),
    ("min_value", Kind::Big),
    ("max_value", Kind::Big),
    ("increment_by", Kind::Big),
    ("cycle", Kind::Bool),
    ("cache_size", Kind::Big),
    ("last_value", Kind::Big),
];

/// Columns of `pg_user_mappings`.
pub(crate) const USER_MAPPINGS: &[(&str, Kind)] = &[
    ("umid", Kind::Int),
    ("srvid", Kind::Int),
    ("srvname", Kind::Text),
    ("umuser", Kind::Int),
    ("usename", Kind::Text),
    ("umoptions", Kind::Texts),
];
