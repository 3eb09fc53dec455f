//! Functions that tell about the session: who, where, which version, at which position.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;

use super::per_row::{Cell, function};
use crate::session::Identity;

/// The PostgreSQL version whose catalogs are imitated. Clients choose their catalog queries by it.
pub(crate) const SERVER_VERSION: &str = "14.0";

/// The value of a setting that clients ask for; `None` when there is no such setting.
pub(crate) fn setting(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "server_version" => SERVER_VERSION,
        "server_version_num" => "140000",
        "server_encoding" | "client_encoding" => "UTF8",
        "search_path" => "public",
        "timezone" => "UTC",
        "datestyle" => "ISO, YMD",
        "intervalstyle" => "postgres",
        "standard_conforming_strings" | "integer_datetimes" => "on",
        "default_transaction_read_only" | "transaction_read_only" => "on",
        "transaction_isolation" | "default_transaction_isolation" => "repeatable read",
        "is_superuser" | "in_hot_standby" => "off",
        "max_identifier_length" => "63",
        "lc_collate" | "lc_ctype" => "C",
        "application_name" => "",
        "bytea_output" => "hex",
        "extra_float_digits" => "1",
        _ => return None,
    })
}

/// Every setting with its value, for `SHOW ALL` and `pg_settings`.
pub(crate) const SETTINGS: [&str; 20] = [
    "application_name",
    "bytea_output",
    "client_encoding",
    "datestyle",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "extra_float_digits",
    "in_hot_standby",
    "integer_datetimes",
    "intervalstyle",
    "is_superuser",
    "lc_collate",
    "lc_ctype",
    "max_identifier_length",
    "search_path",
    "server_encoding",
    "server_version",
    "server_version_num",
    "standard_conforming_strings",
    "timezone",
];

pub(crate) fn functions(identity: &Identity) -> Vec<ScalarUDF> {
    let text = |name: &'static str, value: String| {
        function(name, DataType::Utf8, move |_| Ok(Cell::Text(value.clone())))
    };
    let position = i64::try_from(identity.position.0).unwrap_or(i64::MAX);
    let user = identity.user.clone();
    let backend = i64::from(identity.backend_pid);
    vec![
        text(
            "version",
            format!("PostgreSQL {SERVER_VERSION} (Ledgerline {})", env!("CARGO_PKG_VERSION")),
        ),
        text("current_database", identity.database.clone()),
        text("current_catalog", identity.database.clone()),
        text("getdatabaseencoding", "UTF8".to_owned()),
        text("current_schema", "public".to_owned()),
        text("current_user", user.clone()),
        text("session_user", user.clone()),
        text("user", user),
        function("current_position", DataType::Int64, move |_| Ok(Cell::Int(position))),
        function("pg_backend_pid", DataType::Int32, move |_| Ok(Cell::Int(backend))),
        function("pg_is_in_recovery", DataType::Boolean, |_| Ok(Cell::Bool(false))),
        function("txid_current", DataType::Int64, move |_| Ok(Cell::Int(position))),
        function("current_setting", DataType::Utf8, |args| {
            let name = args.first().copied().flatten().unwrap_or_default();
            let missing_ok = args.get(1).copied().flatten().is_some_and(|it| it == "true");
            match setting(name) {
                Some(value) => Ok(Cell::Text(value.to_owned())),
                None if missing_ok => Ok(Cell::Null),
                None => Err(datafusion::error::DataFusionError::Execution(format!(
                    "unrecognized configuration parameter \"{name}\""
                ))),
            }
        }),
    ]
}
