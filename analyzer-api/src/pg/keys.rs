//! Keys of tables, as the catalogs show them: a primary key and its index each.
//!
//! No index exists as a thing of its own; that a key is unique and never null is what projections promise. Tools
//! that join, page or update by key learn it from here. A key with a column that may be null is not shown.

use super::model::{Model, PUBLIC, Table};
use super::rows::{Kind, Row, row};

/// Ids of indexes and constraints follow those of their tables at these distances.
const INDEX_OF: i64 = 8_000;
const CONSTRAINT_OF: i64 = 9_000;
/// Access method `btree`.
const BTREE: i64 = 403;

/// A table's primary key.
pub(crate) struct Key<'a> {
    table: &'a Table,
    /// Numbers of its columns.
    columns: Vec<i16>,
}

impl<'a> Key<'a> {
    fn of(table: &'a Table) -> Option<Self> {
        if table.view.is_some() || table.def.key.is_empty() {
            return None;
        }
        let number = |name: &&str| {
            let at = table.def.columns.iter().position(|column| column.name == *name)?;
            let nullable = table.def.columns.get(at)?.nullable;
            (!nullable).then(|| i16::try_from(at + 1).ok())?
        };
        let columns = table.def.key.iter().map(number).collect::<Option<Vec<_>>>()?;
        Some(Self { table, columns })
    }

    fn name(&self) -> String {
        format!("{}_pkey", self.table.def.name)
    }

    /// The columns as a list.
    fn listed(&self) -> String {
        self.table.def.key.join(", ")
    }

    fn definition(&self) -> String {
        let (name, table, columns) = (self.name(), self.table.def.name, self.listed());
        format!("CREATE UNIQUE INDEX {name} ON public.{table} USING btree ({columns})")
    }

    fn each<T>(&self, value: T) -> Vec<T>
    where
        T: Copy,
    {
        vec![value; self.columns.len()]
    }
}

/// Every key.
fn keys(model: &Model) -> impl Iterator<Item = Key<'_>> {
    model.tables.iter().filter_map(Key::of)
}

/// Whether a table has one.
pub(crate) fn has_key(table: &Table) -> bool {
    Key::of(table).is_some()
}

/// The key whose index has this id.
fn by_index(model: &Model, oid: i64) -> Option<Key<'_>> {
    Key::of(model.table(oid - INDEX_OF)?)
}

/// What `pg_get_indexdef` says: the whole, or one column.
pub(crate) fn index_definition(model: &Model, oid: i64, column: i64) -> Option<String> {
    let key = by_index(model, oid)?;
    if column > 0 {
        let at = usize::try_from(column).ok()?.checked_sub(1)?;
        return key.table.def.key.get(at).map(|name| (*name).to_owned());
    }
    Some(key.definition())
}

/// Table, name and definition of every index.
pub(crate) fn listed(model: &Model) -> impl Iterator<Item = (&'static str, String, String)> {
    keys(model).map(|key| (key.table.def.name, key.name(), key.definition()))
}

/// What `pg_get_constraintdef` says.
pub(crate) fn constraint_definition(model: &Model, oid: i64) -> Option<String> {
    let key = Key::of(model.table(oid - CONSTRAINT_OF)?)?;
    Some(format!("PRIMARY KEY ({})", key.listed()))
}

/// The name of an index.
pub(crate) fn index_name(model: &Model, oid: i64) -> Option<String> {
    by_index(model, oid).map(|key| key.name())
}

/// The id of an index.
pub(crate) fn index_named(model: &Model, name: &str) -> Option<i64> {
    keys(model).find(|key| key.name() == name).map(|key| key.table.oid + INDEX_OF)
}

/// Rows of `pg_class` for the indexes.
pub(crate) fn classes(model: &Model) -> Vec<Row> {
    let one = |key: Key<'_>| {
        row! {
            oid = key.table.oid + INDEX_OF, relname = key.name(), relnamespace = PUBLIC,
            reltype = 0, reloftype = 0, relowner = super::model::OWNER, relam = BTREE,
            relfilenode = 0, reltablespace = 0, relpages = 0, reltuples = key.table.rows,
            relallvisible = 0, reltoastrelid = 0, relhasindex = false, relisshared = false,
            relpersistence = "p", relkind = "i", relnatts = key.columns.len() as i64,
            relchecks = 0, relhasrules = false, relhastriggers = false, relhassubclass = false,
            relrowsecurity = false, relforcerowsecurity = false, relispopulated = true,
            relreplident = "n", relispartition = false, relrewrite = 0, relfrozenxid = 0,
            relminmxid = 0,
        }
    };
    keys(model).map(one).collect()
}

/// Columns of `pg_index`.
pub(crate) const INDEX: &[(&str, Kind)] = &[
    ("indexrelid", Kind::Int),
    ("indrelid", Kind::Int),
    ("indnatts", Kind::Small),
    ("indnkeyatts", Kind::Small),
    ("indisunique", Kind::Bool),
    ("indisprimary", Kind::Bool),
    ("indisexclusion", Kind::Bool),
    ("indimmediate", Kind::Bool),
    ("indisclustered", Kind::Bool),
    ("indisvalid", Kind::Bool),
    ("indcheckxmin", Kind::Bool),
    ("indisready", Kind::Bool),
    ("indislive", Kind::Bool),
    ("indisreplident", Kind::Bool),
    ("indkey", Kind::Smalls),
    ("indcollation", Kind::Ints),
    ("indclass", Kind::Ints),
    ("indoption", Kind::Smalls),
    ("indexprs", Kind::Text),
    ("indpred", Kind::Text),
];

/// Rows of `pg_index`.
pub(crate) fn indexes(model: &Model) -> Vec<Row> {
    let one = |key: Key<'_>| {
        row! {
            indexrelid = key.table.oid + INDEX_OF, indrelid = key.table.oid,
            indnatts = key.columns.len() as i64, indnkeyatts = key.columns.len() as i64,
            indisunique = true, indisprimary = true, indisexclusion = false, indimmediate = true,
            indisclustered = false, indisvalid = true, indcheckxmin = false, indisready = true,
            indislive = true, indisreplident = false, indcollation = key.each(0_i32),
            indclass = key.each(0_i32), indoption = key.each(0_i16), indkey = key.columns,
        }
    };
    keys(model).map(one).collect()
}

/// Columns of `pg_constraint`.
pub(crate) const CONSTRAINT: &[(&str, Kind)] = &[
    ("oid", Kind::Int),
    ("conname", Kind::Text),
    ("connamespace", Kind::Int),
    ("contype", Kind::Text),
    ("condeferrable", Kind::Bool),
    ("condeferred", Kind::Bool),
    ("convalidated", Kind::Bool),
    ("conrelid", Kind::Int),
    ("contypid", Kind::Int),
    ("conindid", Kind::Int),
    ("conparentid", Kind::Int),
    ("confrelid", Kind::Int),
    ("confupdtype", Kind::Text),
    ("confdeltype", Kind::Text),
    ("confmatchtype", Kind::Text),
    ("conislocal", Kind::Bool),
    ("coninhcount", Kind::Int),
    ("connoinherit", Kind::Bool),
    ("conkey", Kind::Smalls),
    ("confkey", Kind::Smalls),
    ("conpfeqop", Kind::Ints),
    ("conppeqop", Kind::Ints),
    ("conffeqop", Kind::Ints),
    ("conexclop", Kind::Ints),
    ("conbin", Kind::Text),
];

/// Rows of `pg_constraint`.
pub(crate) fn constraints(model: &Model) -> Vec<Row> {
    let one = |key: Key<'_>| {
        row! {
            oid = key.table.oid + CONSTRAINT_OF, conname = key.name(), connamespace = PUBLIC,
            contype = "p", condeferrable = false, condeferred = false, convalidated = true,
            conrelid = key.table.oid, contypid = 0, conindid = key.table.oid + INDEX_OF,
            conparentid = 0, confrelid = 0, confupdtype = " ", confdeltype = " ",
            confmatchtype = " ", conislocal = true, coninhcount = 0, connoinherit = true,
            conkey = key.columns,
        }
    };
    keys(model).map(one).collect()
}
