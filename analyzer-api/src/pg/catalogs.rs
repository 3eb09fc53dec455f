//! The tables of `pg_catalog` as things that it lists itself: clients look ids of them up.

use std::collections::BTreeSet;

use super::model::{CLASS_OF_FUNCTIONS, CLASS_OF_TABLES};
use super::statics::StaticCatalog;
use super::tables::NAMES;

/// Ids of the catalogs that others point at; the rest are numbered.
const CATALOG_IDS: [(&str, i64); 14] = [
    ("pg_am", 2601),
    ("pg_attrdef", 2604),
    ("pg_attribute", 1249),
    ("pg_authid", 1260),
    ("pg_class", CLASS_OF_TABLES),
    ("pg_collation", 3456),
    ("pg_constraint", 2606),
    ("pg_database", 1262),
    ("pg_extension", 3079),
    ("pg_index", 2610),
    ("pg_namespace", 2615),
    ("pg_operator", 2617),
    ("pg_proc", CLASS_OF_FUNCTIONS),
    ("pg_type", 1247),
];
const FIRST_CATALOG: i64 = 12_000;

/// The tables of `pg_catalog` themselves.
pub(crate) fn all(statics: &StaticCatalog) -> impl Iterator<Item = (i64, String)> {
    let own = NAMES.iter().map(|name| (*name).to_owned());
    let names: BTreeSet<String> = own.chain(statics.names().cloned()).collect();
    (FIRST_CATALOG..).zip(names).map(|(number, name)| {
        let known = CATALOG_IDS.iter().find(|(catalog, _)| *catalog == name);
        (known.map_or(number, |(_, oid)| *oid), name)
    })
}

/// The name of the table of `pg_catalog` with an id.
pub(crate) fn name_of(statics: &StaticCatalog, oid: i64) -> Option<String> {
    all(statics).find(|(known, _)| *known == oid).map(|(_, name)| name)
}

/// The id of a table of `pg_catalog`.
pub(crate) fn oid_of(statics: &StaticCatalog, name: &str) -> Option<i64> {
    all(statics).find(|(_, catalog)| catalog == name).map(|(oid, _)| oid)
}
