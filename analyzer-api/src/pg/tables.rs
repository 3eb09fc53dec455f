//! The catalog tables that describe ours.

use std::sync::Arc;

use datafusion::error::Result;

use super::catalogs;
use super::keys;
use super::listings;
use super::model::{
    CLASS_OF_FUNCTIONS, CLASS_OF_TABLES, DATABASE, INFORMATION_SCHEMA, Model, OWNER, PG_CATALOG,
    PUBLIC, RoleEntry, pg_type, result_type,
};
use super::rows::{Kind, Row, batch, row, schema};
use super::statics::{StaticCatalog, Table};
use crate::backends::Seen;
use crate::functions::Kind as FunctionKind;
use crate::functions::session::{SETTINGS, settable, value_of};

/// Their names.
pub(crate) const NAMES: [&str; 21] = [
    "pg_attribute",
    "pg_auth_members",
    "pg_authid",
    "pg_class",
    "pg_constraint",
    "pg_database",
    "pg_description",
    "pg_extension",
    "pg_index",
    "pg_indexes",
    "pg_matviews",
    "pg_namespace",
    "pg_proc",
    "pg_roles",
    "pg_sequences",
    "pg_settings",
    "pg_stat_activity",
    "pg_tables",
    "pg_user",
    "pg_user_mappings",
    "pg_views",
];

/// A table by name; `None` if it is not one of these.
pub(crate) fn build(name: &str, model: &Model, statics: &StaticCatalog) -> Result<Option<Table>> {
    Ok(Some(match name {
        "pg_attribute" => table(ATTRIBUTE, &attributes(model))?,
        "pg_auth_members" => table(AUTH_MEMBERS, &memberships(model))?,
        "pg_authid" | "pg_roles" => table(ROLES, &roles(model))?,
        "pg_class" => table(CLASS, &classes(model, statics))?,
        "pg_constraint" => table(keys::CONSTRAINT, &keys::constraints(model))?,
        "pg_index" => table(keys::INDEX, &keys::indexes(model))?,
        "pg_database" => table(DATABASES, &[database(model)])?,
        "pg_description" => with_static(statics.table(name), DESCRIPTION, &descriptions(model))?,
        // There are no extensions; clients list them all the same.
        "pg_extension" => table(EXTENSION, &[])?,
        "pg_namespace" => table(NAMESPACE, &namespaces())?,
        "pg_proc" => with_static(statics.table(name), PROC, &functions(model))?,
        "pg_settings" => table(SETTING, &settings(model))?,
        "pg_stat_activity" => table(ACTIVITY, &activity(model))?,
        "pg_tables" => table(listings::TABLES, &listings::tables(model))?,
        "pg_user" => table(USERS, &users(model))?,
        "pg_views" => table(listings::VIEWS, &listings::views(model))?,
        "pg_indexes" => table(listings::INDEXES, &listings::indexes(model))?,
        // There are none of these; clients list them all the same.
        "pg_matviews" => table(listings::MATVIEWS, &[])?,
        "pg_sequences" => table(listings::SEQUENCES, &[])?,
        "pg_user_mappings" => table(listings::USER_MAPPINGS, &[])?,
        _ => return Ok(None),
    }))
}

fn table(columns: &[(&str, Kind)], rows: &[Row]) -> Result<Table> {
    let schema = schema(columns);
    let batch = batch(&schema, rows)?;
    Ok((schema, vec![batch]))
}

/// PostgreSQL's own rows, then ours in the same form.
fn with_static(fixed: Option<Table>, columns: &[(&str, Kind)], rows: &[Row]) -> Result<Table> {
    let Some((schema, mut batches)) = fixed else { return table(columns, rows) };
    batches.push(batch(&schema, rows)?);
    Ok((Arc::clone(&schema), batches))
}

const EXTENSION: &[(&str, Kind)] = &[
    ("oid", Kind::Int),
    ("extname", Kind::Text),
    ("extowner", Kind::Int),
    ("extnamespace", Kind::Int),
    ("extrelocatable", Kind::Bool),
    ("extversion", Kind::Text),
    ("extconfig", Kind::Texts),
    ("extcondition", Kind::Texts),
];

const NAMESPACE: &[(&str, Kind)] = &[
    ("oid", Kind::Int),
    ("nspname", Kind::Text),
    ("nspowner", Kind::Int),
    ("nspacl", Kind::Texts),
];

fn namespaces() -> Vec<Row> {
    [(PG_CATALOG, "pg_catalog"), (PUBLIC, "public"), (INFORMATION_SCHEMA, "information_schema")]
        .map(|(oid, name)| row! { oid = oid, nspname = name, nspowner = OWNER })
        .to_vec()
}

const CLASS: &[(&str, Kind)] = &[
    ("oid", Kind::Int),
    ("relname", Kind::Text),
    ("relnamespace", Kind::Int),
    ("reltype", Kind::Int),
    ("reloftype", Kind::Int),
    ("relowner", Kind::Int),
    ("relam", Kind::Int),
    ("relfilenode", Kind::Int),
    ("reltablespace", Kind::Int),
    ("relpages", Kind::Int),
    ("reltuples", Kind::Big),
    ("relallvisible", Kind::Int),
    ("reltoastrelid", Kind::Int),
    ("relhasindex", Kind::Bool),
    ("relisshared", Kind::Bool),
    ("relpersistence", Kind::Text),
    ("relkind", Kind::Text),
    ("relnatts", Kind::Small),
    ("relchecks", Kind::Small),
    ("relhasrules", Kind::Bool),
    ("relhastriggers", Kind::Bool),
    ("relhassubclass", Kind::Bool),
    ("relrowsecurity", Kind::Bool),
    ("relforcerowsecurity", Kind::Bool),
    ("relispopulated", Kind::Bool),
    ("relreplident", Kind::Text),
    ("relispartition", Kind::Bool),
    ("relrewrite", Kind::Int),
    ("relfrozenxid", Kind::Int),
    ("relminmxid", Kind::Int),
    ("relacl", Kind::Texts),
    ("reloptions", Kind::Texts),
    ("relpartbound", Kind::Text),
];

fn classes(model: &Model, statics: &StaticCatalog) -> Vec<Row> {
    // No table has pages: a client that reads page by page (`ctid`) shall read it whole.
    let one = |table: &super::model::Table| {
        row! {
            oid = table.oid, relname = table.def.name, relnamespace = PUBLIC, reltype = 0,
            reloftype = 0, relowner = OWNER, relam = if table.view.is_some() { 0 } else { 2 }, relfilenode = 0, reltablespace = 0,
            relpages = 0, reltuples = table.rows, relallvisible = 0,
            reltoastrelid = 0, relhasindex = keys::has_key(table), relisshared = false, relpersistence = "p",
            relkind = if table.view.is_some() { "v" } else { "r" }, relnatts = table.def.columns.len() as i64, relchecks = 0,
            relhasrules = false, relhastriggers = false, relhassubclass = false,
            relrowsecurity = false, relforcerowsecurity = false, relispopulated = true,
            relreplident = "n", relispartition = false, relrewrite = 0, relfrozenxid = 0,
            relminmxid = 0,
        }
    };
    let mut rows: Vec<Row> = model.tables.iter().map(one).collect();
    rows.extend(keys::classes(model));
    rows.extend(catalogs::all(statics).map(|(oid, name)| {
        row! {
            oid = oid, relname = name, relnamespace = PG_CATALOG, reltype = 0, reloftype = 0,
            relowner = OWNER, relam = 2, relfilenode = 0, reltablespace = 0, relpages = 0,
            reltuples = 0, relallvisible = 0, reltoastrelid = 0, relhasindex = false,
            relisshared = false, relpersistence = "p", relkind = "r", relnatts = 0, relchecks = 0,
            relhasrules = false, relhastriggers = false, relhassubclass = false,
            relrowsecurity = false, relforcerowsecurity = false, relispopulated = true,
            relreplident = "n", relispartition = false, relrewrite = 0, relfrozenxid = 0,
            relminmxid = 0,
        }
    }));
    rows
}

const ATTRIBUTE: &[(&str, Kind)] = &[
    ("attrelid", Kind::Int),
    ("attname", Kind::Text),
    ("atttypid", Kind::Int),
    ("attstattarget", Kind::Int),
    ("attlen", Kind::Small),
    ("attnum", Kind::Small),
    ("attndims", Kind::Int),
    ("attcacheoff", Kind::Int),
    ("atttypmod", Kind::Int),
    ("attbyval", Kind::Bool),
    ("attalign", Kind::Text),
    ("attstorage", Kind::Text),
    ("attcompression", Kind::Text),
    ("attnotnull", Kind::Bool),
    ("atthasdef", Kind::Bool),
    ("atthasmissing", Kind::Bool),
    ("attidentity", Kind::Text),
    ("attgenerated", Kind::Text),
    ("attisdropped", Kind::Bool),
    ("attislocal", Kind::Bool),
    ("attinhcount", Kind::Int),
    ("attcollation", Kind::Int),
    ("attacl", Kind::Texts),
    ("attoptions", Kind::Texts),
    ("attfdwoptions", Kind::Texts),
];

fn attributes(model: &Model) -> Vec<Row> {
    let mut rows = Vec::new();
    for table in &model.tables {
        for (number, column) in (1_i64..).zip(table.def.columns) {
            let (type_oid, size) = pg_type(column.column_type);
            let text = size < 0;
            rows.push(row! {
                attrelid = table.oid, attname = column.name, atttypid = type_oid,
                attstattarget = -1, attlen = size, attnum = number, attndims = 0,
                attcacheoff = -1, atttypmod = -1, attbyval = !text,
                attalign = if text { "i" } else { "d" },
                attstorage = if text { "x" } else { "p" }, attcompression = "",
                attnotnull = !column.nullable, atthasdef = false, atthasmissing = false,
                attidentity = "", attgenerated = "", attisdropped = false, attislocal = true,
                attinhcount = 0, attcollation = if text { 100 } else { 0 },
            });
        }
    }
    rows
}

const DATABASES: &[(&str, Kind)] = &[
    ("oid", Kind::Int),
    ("datname", Kind::Text),
    ("datdba", Kind::Int),
    ("encoding", Kind::Int),
    ("datlocprovider", Kind::Text),
    ("datistemplate", Kind::Bool),
    ("datallowconn", Kind::Bool),
    ("datconnlimit", Kind::Int),
    ("datlastsysoid", Kind::Int),
    ("datfrozenxid", Kind::Int),
    ("datminmxid", Kind::Int),
    ("dattablespace", Kind::Int),
    ("datcollate", Kind::Text),
    ("datctype", Kind::Text),
    ("daticulocale", Kind::Text),
    ("datacl", Kind::Texts),
];

fn database(model: &Model) -> Row {
    row! {
        oid = DATABASE, datname = model.database.as_str(), datdba = OWNER, encoding = 6,
        datlocprovider = "c", datistemplate = false, datallowconn = true, datconnlimit = -1,
        datlastsysoid = 0, datfrozenxid = 0, datminmxid = 0, dattablespace = 1663,
        datcollate = "C", datctype = "C",
    }
}

const ROLES: &[(&str, Kind)] = &[
    ("oid", Kind::Int),
    ("rolname", Kind::Text),
    ("rolsuper", Kind::Bool),
    ("rolinherit", Kind::Bool),
    ("rolcreaterole", Kind::Bool),
    ("rolcreatedb", Kind::Bool),
    ("rolcanlogin", Kind::Bool),
    ("rolreplication", Kind::Bool),
    ("rolbypassrls", Kind::Bool),
    ("rolconnlimit", Kind::Int),
    ("rolpassword", Kind::Text),
    ("rolvaliduntil", Kind::Text),
    ("rolconfig", Kind::Texts),
];

fn roles(model: &Model) -> Vec<Row> {
    let one = |role: &RoleEntry| {
        row! {
            oid = role.oid, rolname = role.name.as_str(), rolsuper = false, rolinherit = true,
            rolcreaterole = false, rolcreatedb = false, rolcanlogin = role.login,
            rolreplication = false, rolbypassrls = false, rolconnlimit = -1,
        }
    };
    model.roles.iter().map(one).collect()
}

const AUTH_MEMBERS: &[(&str, Kind)] = &[
    ("oid", Kind::Int),
    ("roleid", Kind::Int),
    ("member", Kind::Int),
    ("grantor", Kind::Int),
    ("admin_option", Kind::Bool),
];

fn memberships(model: &Model) -> Vec<Row> {
    (45_000_i64..)
        .zip(&model.member_of)
        .map(|(oid, role)| {
            row! {
                oid = oid, roleid = *role, member = model.user_oid, grantor = OWNER,
                admin_option = false,
            }
        })
        .collect()
}

const USERS: &[(&str, Kind)] = &[
    ("usename", Kind::Text),
    ("usesysid", Kind::Int),
    ("usecreatedb", Kind::Bool),
    ("usesuper", Kind::Bool),
    ("userepl", Kind::Bool),
    ("usebypassrls", Kind::Bool),
    ("passwd", Kind::Text),
    ("valuntil", Kind::Text),
    ("useconfig", Kind::Texts),
];

fn users(model: &Model) -> Vec<Row> {
    let logins = model.roles.iter().filter(|role| role.login);
    logins
        .map(|role| {
            row! {
                usename = role.name.as_str(), usesysid = role.oid, usecreatedb = false,
                usesuper = false, userepl = false, usebypassrls = false,
            }
        })
        .collect()
}

const DESCRIPTION: &[(&str, Kind)] = &[
    ("objoid", Kind::Int),
    ("classoid", Kind::Int),
    ("objsubid", Kind::Int),
    ("description", Kind::Text),
];

fn descriptions(model: &Model) -> Vec<Row> {
    let mut rows = Vec::new();
    for table in &model.tables {
        rows.push(row! {
            objoid = table.oid, classoid = CLASS_OF_TABLES, objsubid = 0,
            description = table.def.doc,
        });
        for (number, column) in (1_i64..).zip(table.def.columns) {
            rows.push(row! {
                objoid = table.oid, classoid = CLASS_OF_TABLES, objsubid = number,
                description = column.doc,
            });
        }
    }
    for function in &model.functions {
        rows.push(row! {
            objoid = function.oid, classoid = CLASS_OF_FUNCTIONS, objsubid = 0,
            description = function.doc,
        });
    }
    rows
}

const PROC: &[(&str, Kind)] = &[
    ("oid", Kind::Int),
    ("proname", Kind::Text),
    ("pronamespace", Kind::Int),
    ("proowner", Kind::Int),
    ("prokind", Kind::Text),
    ("prorettype", Kind::Int),
    ("pronargs", Kind::Small),
    ("proargtypes", Kind::Text),
];

fn functions(model: &Model) -> Vec<Row> {
    let one = |function: &super::model::Function| {
        row! {
            oid = function.oid, proname = function.name, pronamespace = PUBLIC, proowner = OWNER,
            prolang = 12, prokind = function.kind.catalog_letter(),
            prosecdef = false, proleakproof = false, proisstrict = false, proretset = function.kind == FunctionKind::Table,
            provolatile = "s", proparallel = "s", prorettype = result_type(function.result),
            prosrc = function.name, pronargs = argument_types(function).len() as i64,
            proargtypes = argument_types(function).join(" "),
        }
    };
    model.functions.iter().map(one).collect()
}

/// Ids of a function's argument types.
fn argument_types(function: &super::model::Function) -> Vec<String> {
    let arguments = function.arguments.split(", ").filter(|it| !it.is_empty());
    arguments
        .map(|argument| {
            let kind = argument.split_once(' ').map_or(argument, |(_, kind)| kind);
            let kind = kind.split(" DEFAULT").next().unwrap_or(kind).trim();
            result_type(kind).to_string()
        })
        .collect()
}

const SETTING: &[(&str, Kind)] = &[
    ("name", Kind::Text),
    ("setting", Kind::Text),
    ("unit", Kind::Text),
    ("category", Kind::Text),
    ("short_desc", Kind::Text),
    ("context", Kind::Text),
    ("vartype", Kind::Text),
    ("source", Kind::Text),
    ("extra_desc", Kind::Text),
    ("min_val", Kind::Text),
    ("max_val", Kind::Text),
    ("enumvals", Kind::Texts),
    ("boot_val", Kind::Text),
    ("reset_val", Kind::Text),
    ("sourcefile", Kind::Text),
    ("sourceline", Kind::Int),
    ("pending_restart", Kind::Bool),
];

fn settings(model: &Model) -> Vec<Row> {
    let one = |(name, default): &(&'static str, &'static str)| {
        row! {
            name = *name, setting = value_of(&model.settings, name).unwrap_or_default(),
            category = "Ledgerline", boot_val = *default, reset_val = *default,
            context = if settable(name).is_some() { "user" } else { "internal" },
            vartype = "string", source = "default", pending_restart = false,
        }
    };
    SETTINGS.iter().map(one).collect()
}

const ACTIVITY: &[(&str, Kind)] = &[
    ("datid", Kind::Int),
    ("datname", Kind::Text),
    ("pid", Kind::Int),
    ("usesysid", Kind::Int),
    ("usename", Kind::Text),
    ("application_name", Kind::Text),
    ("client_addr", Kind::Text),
    ("client_hostname", Kind::Text),
    ("client_port", Kind::Int),
    ("backend_start", Kind::Text),
    ("xact_start", Kind::Text),
    ("query_start", Kind::Text),
    ("state_change", Kind::Text),
    ("wait_event_type", Kind::Text),
    ("wait_event", Kind::Text),
    ("state", Kind::Text),
    ("backend_xid", Kind::Int),
    ("backend_xmin", Kind::Int),
    ("query", Kind::Text),
    ("backend_type", Kind::Text),
];

/// A user sees its own connections only, and of no question its text.
fn activity(model: &Model) -> Vec<Row> {
    let one = |connection: &Seen| {
        row! {
            datid = DATABASE, datname = model.database.as_str(), pid = i64::from(connection.pid),
            usesysid = model.user_oid, usename = model.user.as_str(), state = "active",
            application_name = connection.application.as_str(), backend_type = "client backend",
        }
    };
    model.connections.iter().map(one).collect()
}
