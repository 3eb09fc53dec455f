//! Functions that tell about the session: who, where, which version, at which position, what is set.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::ScalarUDF;

use super::per_row::{Arguments, Cell, function, volatile};
use crate::backends::{Backends, Settings};
use crate::session::Identity;

/// The PostgreSQL version whose catalogs are imitated. Clients choose their catalog queries by it.
pub(crate) const SERVER_VERSION: &str = "14.0";

/// What a setting is where nobody has set it; `None` when there is no such setting.
pub(crate) fn setting(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    SETTINGS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// Every setting with its value, sorted by name.
pub(crate) const SETTINGS: [(&str, &str); 42] = [
    ("application_name", ""),
    ("backslash_quote", "safe_encoding"),
    ("block_size", "8192"),
    ("bytea_output", "hex"),
    ("client_encoding", "UTF8"),
    ("client_min_messages", "notice"),
    ("datestyle", "ISO, YMD"),
    ("default_table_access_method", "heap"),
    ("default_transaction_deferrable", "off"),
    ("default_transaction_isolation", "repeatable read"),
    ("default_transaction_read_only", "on"),
    ("escape_string_warning", "on"),
    ("extra_float_digits", "1"),
    ("idle_in_transaction_session_timeout", "0"),
    ("in_hot_standby", "off"),
    ("integer_datetimes", "on"),
    ("intervalstyle", "postgres"),
    ("is_superuser", "off"),
    ("jit", "off"),
    ("lc_collate", "C"),
    ("lc_ctype", "C"),
    ("lc_messages", "C"),
    ("lc_monetary", "C"),
    ("lc_numeric", "C"),
    ("lc_time", "C"),
    ("lock_timeout", "0"),
    ("max_identifier_length", "63"),
    ("max_index_keys", "32"),
    ("password_encryption", "scram-sha-256"),
    ("quote_all_identifiers", "off"),
    ("row_security", "on"),
    ("search_path", "public"),
    ("server_encoding", "UTF8"),
    ("server_version", SERVER_VERSION),
    ("server_version_num", "140000"),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("synchronize_seqscans", "on"),
    ("timezone", "UTC"),
    ("transaction_deferrable", "off"),
    ("transaction_isolation", "repeatable read"),
    ("transaction_read_only", "on"),
];

/// The settings that a client may change for its connection. All but the deadline change nothing about an
/// answer.
const SETTABLE: [&str; 11] = [
    "application_name",
    "client_min_messages",
    "extra_float_digits",
    "idle_in_transaction_session_timeout",
    "jit",
    "lock_timeout",
    "quote_all_identifiers",
    "row_security",
    "statement_timeout",
    "synchronize_seqscans",
    "transaction_deferrable",
];

/// The name of a setting that a client may change; `None` for any other.
pub(crate) fn settable(name: &str) -> Option<&'static str> {
    SETTABLE.into_iter().find(|known| known.eq_ignore_ascii_case(name))
}

/// What a setting is for a connection that has set these.
pub(crate) fn value_of(settings: &Settings, name: &str) -> Option<String> {
    let set = settable(name).and_then(|name| settings.get(name).cloned());
    set.or_else(|| setting(name).map(str::to_owned))
}

/// Whether a setting may become `value`: any value for what may be changed, the one that it has for the rest.
///
/// # Errors
/// The reason, in words.
pub(crate) fn accepts(name: &str, value: &str) -> Result<(), String> {
    if settable(name).is_some() {
        if name.ends_with("_timeout") && milliseconds(value).is_none() {
            return Err(format!("invalid value for parameter \"{name}\": \"{value}\""));
        }
        return Ok(());
    }
    let plain = |text: &str| text.replace(['-', '_', ' ', '"', '\''], "").to_ascii_lowercase();
    let parts = |text: &str| text.split(',').map(plain).collect::<Vec<_>>();
    let (now, wanted) = (parts(setting(name).unwrap_or_default()), parts(value));
    let same = match name {
        // All there is lies in `public` and `pg_catalog`, whatever the order.
        "search_path" => wanted.iter().all(|schema| {
            ["", "public", "$user", "pgcatalog", "informationschema"].contains(&schema.as_str())
        }),
        "timezone" => ["utc", "etc/utc", "gmt", "z", "0", "zulu"].contains(&plain(value).as_str()),
        // A first part is enough: `ISO` of `ISO, YMD`.
        "datestyle" => wanted.first() == now.first(),
        _ => wanted == now,
    };
    if same { Ok(()) } else { Err(format!("parameter {name} cannot be changed")) }
}

/// A time as settings write it (`3000`, `3s`, `5min`), in milliseconds.
pub(crate) fn milliseconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

pub(crate) fn functions(identity: &Identity, backends: &Arc<Backends>) -> Vec<ScalarUDF> {
    let text = |name: &'static str, value: String| {
        function(name, DataType::Utf8, move |_| Ok(Cell::Text(value.clone())))
    };
    let position = i64::try_from(identity.position.0).unwrap_or(i64::MAX);
    let user = identity.user.clone();
    let backend = i64::from(identity.backend_pid);
    let settings = identity.settings.clone();
    let mut list = vec![
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
        function("current_setting", DataType::Utf8, move |args| {
            let name = args.first().copied().flatten().unwrap_or_default();
            let missing_ok = args.get(1).copied().flatten().is_some_and(|it| it == "true");
            match value_of(&settings, name) {
                Some(value) => Ok(Cell::Text(value)),
                None if missing_ok => Ok(Cell::Null),
                None => Err(unrecognized(name)),
            }
        }),
    ];
    list.push(set_config(identity.backend_pid, Arc::clone(backends)));
    for name in ["pg_cancel_backend", "pg_terminate_backend"] {
        let (backends, principal) = (Arc::clone(backends), identity.principal.clone());
        list.push(volatile(name, DataType::Boolean, move |args: Arguments<'_>| {
            let number = |text: &str| text.parse::<i32>().ok();
            let Some(pid) = args.first().copied().flatten().and_then(number) else {
                return Ok(Cell::Null);
            };
            Ok(Cell::Bool(match name {
                "pg_cancel_backend" => backends.cancel(&principal, pid),
                _ => backends.terminate(&principal, pid),
            }))
        }));
    }
    // There are no locks: everything reads a snapshot.
    list.push(function("pg_advisory_unlock_all", DataType::Utf8, |_| Ok(Cell::Null)));
    list
}

fn unrecognized(name: &str) -> DataFusionError {
    DataFusionError::Execution(format!("unrecognized configuration parameter \"{name}\""))
}

/// `set_config(name, value, is_local)`: `SET` as a function.
fn set_config(pid: i32, backends: Arc<Backends>) -> ScalarUDF {
    volatile("set_config", DataType::Utf8, move |args: Arguments<'_>| {
        let argument = |at: usize| args.get(at).copied().flatten();
        let (Some(name), Some(value)) = (argument(0), argument(1)) else { return Ok(Cell::Null) };
        if setting(name).is_none() {
            return Err(unrecognized(name));
        }
        accepts(name, value).map_err(DataFusionError::Execution)?;
        let local = argument(2) == Some("true");
        if let (Some(name), false) = (settable(name), local) {
            backends.set(pid, name, Some(value.to_owned()));
        }
        Ok(Cell::Text(value.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_sorted_and_what_may_be_set_is_among_them() {
        assert!(SETTINGS.is_sorted());
        assert!(SETTABLE.iter().all(|name| setting(name).is_some()));
    }

    #[test]
    fn times_have_units() {
        for (text, expected) in
            [("3000", Some(3_000)), ("3s", Some(3_000)), ("2 min", Some(120_000)), ("x", None)]
        {
            assert_eq!(milliseconds(text), expected, "{text}");
        }
    }

    #[test]
    fn only_what_is_so_already_is_accepted() {
        for (name, value) in [
            ("search_path", "public, pg_catalog"),
            ("search_path", "\"$user\", public"),
            ("timezone", "Etc/UTC"),
            ("datestyle", "ISO"),
            ("client_encoding", "utf-8"),
            ("statement_timeout", "10s"),
        ] {
            assert_eq!(accepts(name, value), Ok(()), "{name} = {value}");
        }
        for (name, value) in [
            ("search_path", "other"),
            ("timezone", "Europe/Brussels"),
            ("datestyle", "German"),
            ("client_encoding", "latin1"),
            ("default_transaction_read_only", "off"),
            ("statement_timeout", "soon"),
        ] {
            assert!(accepts(name, value).is_err(), "{name} = {value}");
        }
    }
}
