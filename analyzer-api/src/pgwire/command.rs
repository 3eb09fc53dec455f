//! Statements about the connection itself. It has no state that could be set, so they change nothing:
//! what is already so is confirmed, anything else is refused.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Expr, Set, Statement, Value};
use futures::stream;
use pgwire::api::Type;
use pgwire::api::results::{DataRowEncoder, FieldFormat, FieldInfo, QueryResponse, Response, Tag};
use pgwire::error::PgWireResult;

use super::connection::error;
use crate::functions::session::setting;

/// Settings that change nothing about an answer.
const WITHOUT_EFFECT: [&str; 6] = [
    "application_name",
    "client_min_messages",
    "extra_float_digits",
    "idle_in_transaction_session_timeout",
    "lock_timeout",
    "row_security",
];

/// Whether the statement is one of these.
pub(super) const fn is_command(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Set(_)
            | Statement::ShowVariable { .. }
            | Statement::StartTransaction { .. }
            | Statement::Commit { .. }
            | Statement::Rollback { .. }
            | Statement::Discard { .. }
            | Statement::Deallocate { .. }
            | Statement::Reset(_)
    )
}

/// The answer's columns: `SHOW` has one.
pub(super) fn fields(statement: &Statement) -> Vec<FieldInfo> {
    match statement {
        Statement::ShowVariable { variable } => {
            let name =
                variable.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join("_");
            vec![FieldInfo::new(name, None, None, Type::TEXT, FieldFormat::Text)]
        }
        _ => Vec::new(),
    }
}

/// Runs one of these.
pub(super) fn run(statement: &Statement) -> PgWireResult<Response> {
    Ok(match statement {
        Statement::StartTransaction { .. } => Response::TransactionStart(Tag::new("BEGIN")),
        Statement::Commit { .. } => Response::TransactionEnd(Tag::new("COMMIT")),
        Statement::Rollback { .. } => Response::TransactionEnd(Tag::new("ROLLBACK")),
        Statement::Discard { .. } => Response::Execution(Tag::new("DISCARD ALL")),
        Statement::Deallocate { .. } => Response::Execution(Tag::new("DEALLOCATE")),
        Statement::Reset(_) => Response::Execution(Tag::new("RESET")),
        Statement::ShowVariable { variable } => {
            let name =
                variable.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join("_");
            show(&name, fields(statement))?
        }
        Statement::Set(set) => {
            assign(set)?;
            Response::Execution(Tag::new("SET"))
        }
        other => return Err(error("0A000", &format!("{other} is not supported"))),
    })
}

fn show(name: &str, fields: Vec<FieldInfo>) -> PgWireResult<Response> {
    let value = known(name)?;
    let fields = Arc::new(fields);
    let mut row = DataRowEncoder::new(Arc::clone(&fields));
    row.encode_field(&value)?;
    let rows = stream::iter(vec![Ok(row.take_row())]);
    let mut response = QueryResponse::new(fields, rows);
    response.set_command_tag("SHOW");
    Ok(Response::Query(response))
}

fn known(name: &str) -> PgWireResult<&'static str> {
    let name = if name.eq_ignore_ascii_case("transaction_isolation_level") {
        "transaction_isolation"
    } else {
        name
    };
    let unknown = || error("42704", &format!("unrecognized configuration parameter \"{name}\""));
    setting(name).ok_or_else(unknown)
}

fn assign(set: &Set) -> PgWireResult<()> {
    let (name, values) = match set {
        Set::SingleAssignment { variable, values, .. } => {
            (variable.to_string().to_ascii_lowercase(), values.iter().map(text).collect())
        }
        Set::SetTimeZone { value, .. } => ("timezone".to_owned(), vec![text(value)]),
        Set::SetNames { charset_name, .. } => {
            ("client_encoding".to_owned(), vec![charset_name.value.clone()])
        }
        // Every transaction here reads one snapshot.
        Set::SetTransaction { .. } => return Ok(()),
        other => return Err(error("0A000", &format!("SET {other} is not supported"))),
    };
    if WITHOUT_EFFECT.contains(&name.as_str()) {
        return Ok(());
    }
    let now = known(&name)?;
    let plain = |text: &str| text.replace(['-', '_', ' '], "").to_ascii_lowercase();
    let wanted: Vec<String> = values.iter().map(|value: &String| plain(value)).collect();
    let current: Vec<String> = now.split(',').map(plain).collect();
    // A first part is enough: `ISO` of `ISO, YMD`, `public` of a longer path.
    let same = wanted.iter().any(|value| value == "default") || wanted.first() == current.first();
    if same {
        return Ok(());
    }
    Err(error("0A000", &format!("parameter {name} is {now} and cannot be changed")))
}

fn text(value: &Expr) -> String {
    match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => text.clone(),
            other => other.to_string(),
        },
        Expr::Identifier(ident) => ident.value.clone(),
        other => other.to_string(),
    }
}
