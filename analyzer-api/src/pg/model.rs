//! What the catalogs describe: the visible tables, our functions, roles, with their object ids.

use datafusion::arrow::datatypes::DataType;
use ledgerline_access::{Principal, Role};
use ledgerline_projections::{ColumnType, Kept, Rights, TableDef, TableSnapshot};

use crate::backends::{Seen, Settings};
use crate::functions::service_level::Definition;
use crate::functions::{self, Kind};
use crate::session::Identity;
use crate::views::View;

/// Namespace of PostgreSQL's own objects.
pub(crate) const PG_CATALOG: i64 = 11;
/// Namespace of our tables.
pub(crate) const PUBLIC: i64 = 2200;
/// Namespace of the information schema.
pub(crate) const INFORMATION_SCHEMA: i64 = 13_000;
/// The one database.
pub(crate) const DATABASE: i64 = 5;
/// Owner of everything.
pub(crate) const OWNER: i64 = 10;
/// Object ids below are PostgreSQL's own.
const FIRST_TABLE: i64 = 16_384;
const FIRST_VIEW: i64 = 20_000;
const FIRST_FUNCTION: i64 = 30_000;
const FIRST_ROLE: i64 = 40_000;

/// Catalogs that descriptions point at.
pub(crate) const CLASS_OF_TABLES: i64 = 1259;
pub(crate) const CLASS_OF_FUNCTIONS: i64 = 1255;

/// A visible table or view.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) oid: i64,
    pub(crate) def: &'static TableDef,
    pub(crate) bytes: i64,
    pub(crate) rows: i64,
    /// The query behind it, if it is a view.
    pub(crate) view: Option<String>,
}

/// A function of ours.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) oid: i64,
    pub(crate) name: &'static str,
    pub(crate) arguments: String,
    pub(crate) result: &'static str,
    pub(crate) kind: Kind,
    pub(crate) doc: &'static str,
}

/// A role or user.
#[derive(Debug)]
pub(crate) struct RoleEntry {
    pub(crate) oid: i64,
    pub(crate) name: String,
    pub(crate) login: bool,
}

/// Everything the catalogs of one session describe.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) tables: Vec<Table>,
    pub(crate) functions: Vec<Function>,
    pub(crate) roles: Vec<RoleEntry>,
    /// Object ids of the roles the session's user has.
    pub(crate) member_of: Vec<i64>,
    /// Object id of the session's user.
    pub(crate) user_oid: i64,
    pub(crate) user: String,
    pub(crate) database: String,
    /// Connections of the session's user.
    pub(crate) connections: Vec<Seen>,
    /// What the session's connection has set.
    pub(crate) settings: Settings,
}

impl Model {
    pub(crate) fn new(
        tables: &[TableSnapshot],
        views: &[&'static View],
        who: &Principal,
        rights: &Rights,
        identity: &Identity,
        connections: Vec<Seen>,
    ) -> Self {
        let told = rights.limits().is_none();
        let tables = (FIRST_TABLE..).zip(tables).map(|(oid, table)| table_entry(oid, table, told));
        let views = (FIRST_VIEW..).zip(views).map(|(oid, view)| Table {
            oid,
            def: &view.def,
            bytes: 0,
            rows: 0,
            view: Some(view.sql()),
        });
        let mut roles = vec![RoleEntry { oid: OWNER, name: "ledgerline".to_owned(), login: false }];
        let all = [
            (Role::Agent, "agent"),
            (Role::Supervisor, "supervisor"),
            (Role::Analyst, "analyst"),
            (Role::Auditor, "auditor"),
            (Role::Administrator, "administrator"),
            (Role::Integrator, "integrator"),
        ];
        let mut member_of = Vec::new();
        for (oid, (role, name)) in (FIRST_ROLE..).zip(all) {
            roles.push(RoleEntry { oid, name: name.to_owned(), login: false });
            if who.roles.contains(&role) {
                member_of.push(oid);
            }
        }
        let user_oid = FIRST_ROLE + 100;
        roles.push(RoleEntry { oid: user_oid, name: who.subject.clone(), login: true });
        Self {
            tables: tables.chain(views).collect(),
            functions: functions(),
            roles,
            member_of,
            user_oid,
            user: identity.user.clone(),
            database: identity.database.clone(),
            connections,
            settings: identity.settings.clone(),
        }
    }

    pub(crate) fn table_named(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.def.name == name)
    }

    pub(crate) fn table(&self, oid: i64) -> Option<&Table> {
        self.tables.iter().find(|table| table.oid == oid)
    }

    pub(crate) fn function(&self, oid: i64) -> Option<&Function> {
        self.functions.iter().find(|function| function.oid == oid)
    }

    pub(crate) fn role(&self, oid: i64) -> Option<&RoleEntry> {
        self.roles.iter().find(|role| role.oid == oid)
    }
}

/// A table; of one that is not seen whole the catalogs do not tell the size, which counts every row. Nor do they
/// count rows that are dropped and not yet out of the files.
fn table_entry(oid: i64, table: &TableSnapshot, told: bool) -> Table {
    if !told {
        return Table { oid, def: table.def, bytes: 0, rows: -1, view: None };
    }
    let hot_rows: usize = table.hot.iter().map(|batch| batch.num_rows()).sum();
    let hot_bytes: usize = table.hot.iter().map(|batch| batch.get_array_memory_size()).sum();
    let cold_rows: u64 = table.cold.iter().map(|file| file.rows).sum();
    let cold_bytes: u64 = table.cold.iter().map(|file| file.bytes).sum();
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    Table {
        oid,
        def: table.def,
        bytes: number(cold_bytes.saturating_add(hot_bytes as u64)),
        rows: match table.kept {
            Kept::All => number(cold_rows.saturating_add(hot_rows as u64)),
            _ => -1,
        },
        view: None,
    }
}

fn functions() -> Vec<Function> {
    let levels = Definition::ALL.into_iter().map(|definition| Function {
        oid: 0,
        name: definition.function_name(),
        arguments: "outcome text, queue_duration_ms bigint, threshold_ms bigint".to_owned(),
        result: "double precision",
        kind: Kind::Aggregate,
        doc: definition.doc(),
    });
    let position = Function {
        oid: 0,
        name: "current_position",
        arguments: String::new(),
        result: "bigint",
        kind: Kind::Scalar,
        doc: "position of the log at which the answer is true",
    };
    let described = functions::specs().into_iter().map(|(spec, kind)| Function {
        oid: 0,
        name: spec.name,
        arguments: spec.listed_arguments(),
        result: spec.result.sql(),
        kind,
        doc: spec.doc,
    });
    let mut functions: Vec<Function> = levels.chain([position]).chain(described).collect();
    for (oid, function) in (FIRST_FUNCTION..).zip(&mut functions) {
        function.oid = oid;
    }
    functions
}

/// Object id and size of PostgreSQL's type for a column.
pub(crate) const fn pg_type(column: ColumnType) -> (i64, i64) {
    match column {
        ColumnType::Text => (25, -1),
        ColumnType::Int => (20, 8),
        ColumnType::Bool => (16, 1),
        ColumnType::Time => (1184, 8),
        // JSON travels as text: the engine has no type of its own for it.
        ColumnType::Json => (25, -1),
    }
}

/// Object id of PostgreSQL's type for an SQL type name used by our functions.
pub(crate) fn result_type(name: &str) -> i64 {
    match name {
        "double precision" => 701,
        "bigint" => 20,
        "bytea" => 17,
        "timestamp with time zone" => 1184,
        "timestamp without time zone" => 1114,
        "anyelement" => 2283,
        table if table.starts_with("TABLE") => 2249,
        _ => 25,
    }
}

/// Arrow type of object ids.
pub(crate) const OID: DataType = DataType::Int32;
