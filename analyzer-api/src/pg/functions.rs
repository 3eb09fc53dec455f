//! Functions over the catalogs.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ScalarUDF;

use super::keys;
use super::model::{
    CLASS_OF_FUNCTIONS, CLASS_OF_TABLES, INFORMATION_SCHEMA, Model, OID, PG_CATALOG, PUBLIC,
};
use super::statics::StaticCatalog;
use crate::error::QueryError;
use crate::functions::per_row::{Arguments, Cell, function};

/// Every function of this module for one session.
pub(crate) fn all(model: &Arc<Model>, statics: &Arc<StaticCatalog>) -> Vec<ScalarUDF> {
    let mut functions = names_and_ids(model, statics);
    functions.extend(descriptions(model, statics));
    functions.extend(definitions(model));
    functions.extend(sizes(model));
    functions.extend(privileges());
    functions.push(membership(model));
    functions.extend(super::values::all());
    functions.push(super::oids::type_names(statics));
    functions.push(super::format::function());
    functions.push(super::intervals::function());
    functions
}

fn int(args: Arguments<'_>, index: usize) -> Option<i64> {
    args.get(index).copied().flatten().and_then(|text| text.trim().parse().ok())
}

fn text<'a>(args: Arguments<'a>, index: usize) -> Option<&'a str> {
    args.get(index).copied().flatten()
}

fn unknown(what: &str, name: &str) -> DataFusionError {
    DataFusionError::External(Box::new(QueryError::Table(format!(
        "{what} \"{name}\" does not exist"
    ))))
}

/// `schema.name`, `name` or `"name"` without schema and quotes.
fn bare(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name).trim_matches('"')
}

/// The id of a table, an index or a catalog.
fn relation(model: &Model, statics: &StaticCatalog, name: &str) -> Option<i64> {
    let table = model.table_named(name).map(|table| table.oid);
    table
        .or_else(|| keys::index_named(model, name))
        .or_else(|| super::catalogs::oid_of(statics, name))
}

/// The id of `name` by `find`: a number is an id already, an unknown name an error.
fn id_of(what: &str, args: Arguments<'_>, find: impl Fn(&str) -> Option<i64>) -> Result<Cell> {
    let Some(name) = text(args, 0) else { return Ok(Cell::Null) };
    match name.parse::<i64>().ok().or_else(|| find(bare(name))) {
        Some(oid) => Ok(Cell::Int(oid)),
        None => Err(unknown(what, name)),
    }
}

fn namespace(name: &str) -> Option<i64> {
    match name {
        "pg_catalog" => Some(PG_CATALOG),
        "public" => Some(PUBLIC),
        "information_schema" => Some(INFORMATION_SCHEMA),
        _ => None,
    }
}

fn names_and_ids(model: &Arc<Model>, statics: &Arc<StaticCatalog>) -> Vec<ScalarUDF> {
    let mut list = Vec::new();
    let mut add =
        |name, returns, body: Box<dyn Fn(Arguments<'_>) -> Result<Cell> + Send + Sync>| {
            list.push(function(name, returns, body));
        };
    let (m, s) = (Arc::clone(model), Arc::clone(statics));
    add(
        "regclass_in",
        OID,
        Box::new(move |args| id_of("relation", args, |name| relation(&m, &s, name))),
    );
    let (m, s) = (Arc::clone(model), Arc::clone(statics));
    add(
        "to_regclass",
        OID,
        Box::new(move |args| {
            let found = text(args, 0).and_then(|name| relation(&m, &s, bare(name)));
            Ok(found.map_or(Cell::Null, Cell::Int))
        }),
    );
    let (m, s) = (Arc::clone(model), Arc::clone(statics));
    add(
        "regclass_out",
        DataType::Utf8,
        Box::new(move |args| {
            Ok(int(args, 0)
                .map(|oid| match m.table(oid) {
                    Some(table) => table.def.name.to_owned(),
                    None => keys::index_name(&m, oid)
                        .or_else(|| super::catalogs::name_of(&s, oid))
                        .unwrap_or_else(|| oid.to_string()),
                })
                .into())
        }),
    );
    let s = Arc::clone(statics);
    add("regtype_in", OID, Box::new(move |args| id_of("type", args, |name| s.type_oid(name))));
    let s = Arc::clone(statics);
    add(
        "to_regtype",
        OID,
        Box::new(move |args| {
            let found = text(args, 0).and_then(|name| s.type_oid(bare(name)));
            Ok(found.map_or(Cell::Null, Cell::Int))
        }),
    );
    for name in ["regtype_out", "format_type"] {
        let s = Arc::clone(statics);
        add(
            name,
            DataType::Utf8,
            Box::new(move |args| {
                let of = |oid| s.type_name(oid).unwrap_or_else(|| "???".to_owned());
                // Id 0 stands for no type.
                Ok(int(args, 0).map(|oid| if oid == 0 { "-".to_owned() } else { of(oid) }).into())
            }),
        );
    }
    add("regnamespace_in", OID, Box::new(|args| id_of("schema", args, namespace)));
    add(
        "regnamespace_out",
        DataType::Utf8,
        Box::new(|args| {
            let name = |oid| {
                let known = ["pg_catalog", "public", "information_schema"];
                let found = known.into_iter().find(|name| namespace(name) == Some(oid));
                found.map_or_else(|| oid.to_string(), str::to_owned)
            };
            Ok(int(args, 0).map(name).into())
        }),
    );
    let m = Arc::clone(model);
    add(
        "regrole_in",
        OID,
        Box::new(move |args| {
            id_of("role", args, |name| m.roles.iter().find(|it| it.name == name).map(|it| it.oid))
        }),
    );
    for name in ["regrole_out", "pg_get_userbyid"] {
        let m = Arc::clone(model);
        add(
            name,
            DataType::Utf8,
            Box::new(move |args| {
                let of = |oid| {
                    m.role(oid).map_or_else(|| format!("unknown (OID={oid})"), |it| it.name.clone())
                };
                Ok(int(args, 0).map(of).into())
            }),
        );
    }
    for name in ["regproc_in", "regprocedure_in"] {
        let (m, s) = (Arc::clone(model), Arc::clone(statics));
        add(
            name,
            OID,
            Box::new(move |args| {
                id_of("function", args, |name| {
                    let name = name.split('(').next().unwrap_or(name);
                    let own = m.functions.iter().find(|it| it.name == name).map(|it| it.oid);
                    // Catalogs write no function as a dash.
                    own.or_else(|| (name == "-").then_some(0)).or_else(|| s.function_named(name))
                })
            }),
        );
    }
    for name in ["regproc_out", "regprocedure_out"] {
        let m = Arc::clone(model);
        add(
            name,
            DataType::Utf8,
            Box::new(move |args| {
                let of =
                    |oid| m.function(oid).map_or_else(|| oid.to_string(), |it| it.name.to_owned());
                Ok(int(args, 0).map(|oid| if oid == 0 { "-".to_owned() } else { of(oid) }).into())
            }),
        );
    }
    for name in ["regoper_out", "regoperator_out"] {
        let s = Arc::clone(statics);
        add(
            name,
            DataType::Utf8,
            Box::new(move |args| {
                let of = |oid: i64| s.operator(oid, name == "regoperator_out");
                let shown = int(args, 0).map(|oid| of(oid).unwrap_or_else(|| oid.to_string()));
                Ok(shown.into())
            }),
        );
    }
    add(
        "pg_encoding_to_char",
        DataType::Utf8,
        Box::new(|args| {
            Ok(int(args, 0)
                .map(|code| if code == 6 { "UTF8".to_owned() } else { String::new() })
                .into())
        }),
    );
    add(
        "pg_char_to_encoding",
        DataType::Int32,
        Box::new(|args| {
            let known = |name: &str| {
                ["utf8", "utf-8", "unicode"].iter().any(|it| it.eq_ignore_ascii_case(name))
            };
            Ok(text(args, 0).map_or(Cell::Null, |it| Cell::Int(if known(it) { 6 } else { -1 })))
        }),
    );
    // Everything that is listed lies in a schema of the search path.
    for name in [
        "pg_table_is_visible",
        "pg_type_is_visible",
        "pg_function_is_visible",
        "pg_operator_is_visible",
        "pg_collation_is_visible",
        "pg_opclass_is_visible",
        "pg_opfamily_is_visible",
        "pg_conversion_is_visible",
        "pg_statistics_obj_is_visible",
        "pg_ts_config_is_visible",
        "pg_ts_dict_is_visible",
        "pg_ts_parser_is_visible",
        "pg_ts_template_is_visible",
    ] {
        add(
            name,
            DataType::Boolean,
            Box::new(|args| Ok(int(args, 0).map_or(Cell::Null, |_| Cell::Bool(true)))),
        );
    }
    list
}

fn descriptions(model: &Arc<Model>, statics: &Arc<StaticCatalog>) -> Vec<ScalarUDF> {
    let m = Arc::clone(model);
    let column = function("col_description", DataType::Utf8, move |args| {
        let found = (|| {
            let number = usize::try_from(int(args, 1)?).ok()?.checked_sub(1)?;
            m.table(int(args, 0)?)?.def.columns.get(number)
        })();
        Ok(found.map(|column| column.doc.to_owned()).into())
    });
    let m = Arc::clone(model);
    let object = function("obj_description", DataType::Utf8, move |args| {
        let of = |oid| {
            let table = m.table(oid).map(|it| (CLASS_OF_TABLES, "pg_class", it.def.doc));
            let function = m.function(oid).map(|it| (CLASS_OF_FUNCTIONS, "pg_proc", it.doc));
            let (_, class, doc) = table.or(function)?;
            let asked = text(args, 1).unwrap_or(class);
            (asked == class).then(|| doc.to_owned())
        };
        Ok(int(args, 0).and_then(of).into())
    });
    let shared = function("shobj_description", DataType::Utf8, |_| Ok(Cell::Null));
    let (m, fixed) = (Arc::clone(model), Arc::clone(statics));
    let result = function("pg_get_function_result", DataType::Utf8, move |args| {
        let of = |oid| match m.function(oid) {
            Some(function) => Some(function.result.to_owned()),
            None => fixed.function_result(oid),
        };
        Ok(int(args, 0).and_then(of).into())
    });
    let names = ["pg_get_function_arguments", "pg_get_function_identity_arguments"];
    let arguments = names.map(|name| {
        let (m, fixed) = (Arc::clone(model), Arc::clone(statics));
        function(name, DataType::Utf8, move |args| {
            let of = |oid| match m.function(oid) {
                Some(function) => Some(function.arguments.clone()),
                None => fixed.function_arguments(oid),
            };
            Ok(int(args, 0).and_then(of).into())
        })
    });
    [column, object, shared, result].into_iter().chain(arguments).collect()
}

/// Definitions: of views and keys, and of objects that do not exist here (rules, triggers).
fn definitions(model: &Arc<Model>) -> Vec<ScalarUDF> {
    let mut list: Vec<ScalarUDF> = [
        "pg_get_ruledef",
        "pg_get_triggerdef",
        "pg_get_partkeydef",
        "pg_get_partition_constraintdef",
        "pg_get_statisticsobjdef_columns",
        "pg_get_functiondef",
        "pg_get_function_sqlbody",
        "pg_get_serial_sequence",
        "pg_tablespace_location",
    ]
    .into_iter()
    .map(|name| function(name, DataType::Utf8, |_| Ok(Cell::Null)))
    .collect();
    let m = Arc::clone(model);
    list.push(function("pg_get_viewdef", DataType::Utf8, move |args| {
        let view = match int(args, 0) {
            Some(oid) => m.table(oid),
            None => text(args, 0).and_then(|name| m.table_named(bare(name))),
        };
        Ok(view.and_then(|table| table.view.clone()).into())
    }));
    let m = Arc::clone(model);
    list.push(function("pg_get_indexdef", DataType::Utf8, move |args| {
        let column = int(args, 1).unwrap_or_default();
        Ok(int(args, 0).and_then(|oid| keys::index_definition(&m, oid, column)).into())
    }));
    let m = Arc::clone(model);
    list.push(function("pg_get_constraintdef", DataType::Utf8, move |args| {
        Ok(int(args, 0).and_then(|oid| keys::constraint_definition(&m, oid)).into())
    }));
    // Expressions are stored as their text.
    list.push(function("pg_get_expr", DataType::Utf8, |args| {
        Ok(text(args, 0).map(str::to_owned).into())
    }));
    for name in ["pg_relation_is_publishable", "pg_is_other_temp_schema"] {
        list.push(function(name, DataType::Boolean, |_| Ok(Cell::Bool(false))));
    }
    list.push(function("pg_my_temp_schema", OID, |_| Ok(Cell::Int(0))));
    list.push(function("like_escape", DataType::Utf8, |args| {
        let (Some(pattern), Some(escape)) = (text(args, 0), text(args, 1)) else {
            return Ok(Cell::Null);
        };
        escaped(pattern, escape).map(Cell::Text)
    }));
    for (name, quote) in [("quote_ident", '"'), ("quote_literal", '\'')] {
        list.push(function(name, DataType::Utf8, move |args| {
            Ok(text(args, 0).map(|text| quoted(text, quote)).into())
        }));
    }
    list
}

/// A pattern of `LIKE` with another escape character, or none, as one with a backslash.
fn escaped(pattern: &str, escape: &str) -> Result<String> {
    let mut characters = escape.chars();
    let (escape, more) = (characters.next(), characters.next());
    if more.is_some() {
        let text = "invalid escape string: it must be empty or one character";
        return Err(DataFusionError::Execution(text.to_owned()));
    }
    let mut written = String::with_capacity(pattern.len());
    let mut rest = pattern.chars();
    while let Some(character) = rest.next() {
        if Some(character) == escape {
            let Some(literal) = rest.next() else {
                let text = "LIKE pattern must not end with escape character";
                return Err(DataFusionError::Execution(text.to_owned()));
            };
            if matches!(literal, '%' | '_' | '\\') {
                written.push('\\');
            }
            written.push(literal);
        } else {
            if character == '\\' {
                written.push('\\');
            }
            written.push(character);
        }
    }
    Ok(written)
}

/// A text in quotes: an identifier only where it needs them.
pub(super) fn quoted(text: &str, quote: char) -> String {
    let plain = quote == '"'
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain {
        return text.to_owned();
    }
    let inner = text.replace(quote, &format!("{quote}{quote}"));
    if quote == '\'' && text.contains('\\') {
        // A backslash is itself only in a text that says so.
        return format!("E'{}'", inner.replace('\\', "\\\\"));
    }
    format!("{quote}{inner}{quote}")
}

fn sizes(model: &Arc<Model>) -> Vec<ScalarUDF> {
    let mut list: Vec<ScalarUDF> = ["pg_relation_size", "pg_table_size", "pg_total_relation_size"]
        .into_iter()
        .map(|name| {
            let m = Arc::clone(model);
            function(name, DataType::Int64, move |args| {
                let table = match int(args, 0) {
                    Some(oid) => m.table(oid),
                    None => text(args, 0).and_then(|name| m.table_named(bare(name))),
                };
                Ok(table.map_or(Cell::Null, |table| Cell::Int(table.bytes)))
            })
        })
        .collect();
    list.push(function("pg_indexes_size", DataType::Int64, |_| Ok(Cell::Int(0))));
    let m = Arc::clone(model);
    list.push(function("pg_database_size", DataType::Int64, move |_| {
        Ok(Cell::Int(m.tables.iter().map(|table| table.bytes).sum()))
    }));
    list.push(function("pg_size_pretty", DataType::Utf8, |args| {
        Ok(int(args, 0).map(pretty).into())
    }));
    list
}

fn pretty(bytes: i64) -> String {
    let (mut value, mut unit) = (bytes, "bytes");
    for next in ["kB", "MB", "GB", "TB"] {
        if value.abs() < 10 * 1024 {
            break;
        }
        // Half a unit rounds up, as PostgreSQL does.
        value = (value + 512) / 1024;
        unit = next;
    }
    format!("{value} {unit}")
}

/// `pg_has_role([user,] role, privilege)`: whether the user is the role, or has it.
fn membership(model: &Arc<Model>) -> ScalarUDF {
    let m = Arc::clone(model);
    function("pg_has_role", DataType::Boolean, move |args| {
        let role = args.len().checked_sub(2).and_then(|at| args.get(at).copied().flatten());
        let Some(role) = role else { return Ok(Cell::Null) };
        let found = m.roles.iter().find(|it| it.name == role || it.oid.to_string() == role);
        let Some(found) = found else { return Err(unknown("role", role)) };
        Ok(Cell::Bool(found.oid == m.user_oid || m.member_of.contains(&found.oid)))
    })
}

/// Everything visible may be read, nothing may be changed.
fn privileges() -> Vec<ScalarUDF> {
    [
        "has_table_privilege",
        "has_schema_privilege",
        "has_database_privilege",
        "has_function_privilege",
        "has_column_privilege",
        "has_any_column_privilege",
        "has_sequence_privilege",
        "has_type_privilege",
        "has_language_privilege",
        "has_foreign_data_wrapper_privilege",
        "has_server_privilege",
        "has_tablespace_privilege",
    ]
    .into_iter()
    .map(|name| {
        function(name, DataType::Boolean, |args| {
            let Some(asked) = args.last().copied().flatten() else { return Ok(Cell::Null) };
            let reading = |one: &str| {
                ["SELECT", "USAGE", "CONNECT", "EXECUTE"]
                    .iter()
                    .any(|it| one.trim().eq_ignore_ascii_case(it))
            };
            Ok(Cell::Bool(asked.split(',').any(reading)))
        })
    })
    .collect()
}
