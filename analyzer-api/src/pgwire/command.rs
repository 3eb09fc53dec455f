//! Statements about the connection itself: settings, transactions, cursors.
//!
//! Everything reads one snapshot and nothing is written, so a transaction has no other meaning than to end the
//! cursors in it. What may be set is a short list; anything else is confirmed if it is already so, and refused
//! otherwise.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Expr, Reset, Set, Statement, Value};
use futures::stream;
use pgwire::api::Type;
use pgwire::api::portal::Format;
use pgwire::api::results::{DataRowEncoder, FieldInfo, QueryResponse, Response, Tag};
use pgwire::error::PgWireResult;

use super::connection::{Connection, error};
use super::cursor;
use crate::functions::session::{accepts, settable, value_of};

/// Whether the statement is one of these.
pub(super) const fn is_command(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Set(_)
            | Statement::ShowVariable { .. }
            | Statement::StartTransaction { .. }
            | Statement::Commit { .. }
            | Statement::Rollback { .. }
            | Statement::Savepoint { .. }
            | Statement::ReleaseSavepoint { .. }
            | Statement::Discard { .. }
            | Statement::Deallocate { .. }
            | Statement::Reset(_)
            | Statement::Close { .. }
            | Statement::Fetch { .. }
            | Statement::UNLISTEN { .. }
    )
}

/// The answer's columns: `SHOW` has one, `FETCH` those of its cursor.
pub(super) async fn fields(
    connection: &Connection,
    statement: &Statement,
    format: &Format,
) -> PgWireResult<Vec<FieldInfo>> {
    Ok(match statement {
        Statement::ShowVariable { .. } => vec![shown(statement, format)],
        Statement::Fetch { name, .. } => {
            let schema = connection.cursors.schema(&name.value).await?;
            super::encode::fields(&schema, format)?
        }
        _ => Vec::new(),
    })
}

/// The column of `SHOW`.
fn shown(statement: &Statement, format: &Format) -> FieldInfo {
    FieldInfo::new(variable(statement), None, None, Type::TEXT, format.format_for(0))
}

/// The setting that `SHOW` names.
fn variable(statement: &Statement) -> String {
    let Statement::ShowVariable { variable } = statement else { return String::new() };
    let name = variable.iter().map(|part| part.value.to_ascii_lowercase());
    match name.collect::<Vec<_>>().join("_").as_str() {
        "transaction_isolation_level" => "transaction_isolation".to_owned(),
        "time_zone" => "timezone".to_owned(),
        other => other.to_owned(),
    }
}

/// Runs one of these.
pub(super) async fn run(
    connection: &Connection,
    statement: &Statement,
    format: &Format,
) -> PgWireResult<Response> {
    if let Some(wanted) = cursor::fetched(statement) {
        let (name, wanted) = wanted?;
        return Ok(Response::Query(connection.cursors.fetch(&name, wanted, format).await?));
    }
    let done = |tag: &str| Ok(Response::Execution(Tag::new(tag)));
    match statement {
        Statement::StartTransaction { .. } => Ok(Response::TransactionStart(Tag::new("BEGIN"))),
        Statement::Commit { .. } => {
            connection.cursors.end_transaction().await;
            Ok(Response::TransactionEnd(Tag::new("COMMIT")))
        }
        Statement::Rollback { savepoint: None, .. } => {
            connection.cursors.end_transaction().await;
            Ok(Response::TransactionEnd(Tag::new("ROLLBACK")))
        }
        Statement::Rollback { .. } => done("ROLLBACK"),
        Statement::Savepoint { .. } => done("SAVEPOINT"),
        Statement::ReleaseSavepoint { .. } => done("RELEASE"),
        Statement::Discard { .. } => {
            connection.state.engine.backends().reset(connection.pid);
            connection.cursors.close(&datafusion::sql::sqlparser::ast::CloseCursor::All).await?;
            done("DISCARD ALL")
        }
        Statement::Deallocate { .. } => done("DEALLOCATE"),
        // Nobody can listen, so there is nothing to end.
        Statement::UNLISTEN { .. } => done("UNLISTEN"),
        Statement::Close { cursor } => {
            Ok(Response::Execution(connection.cursors.close(cursor).await?))
        }
        Statement::Reset(reset) => {
            match &reset.reset {
                Reset::ALL => connection.state.engine.backends().reset(connection.pid),
                Reset::ConfigurationParameter(name) => {
                    let name = name.to_string();
                    known(connection, &name)?;
                    if let Some(name) = settable(&name) {
                        connection.state.engine.backends().set(connection.pid, name, None);
                    }
                }
            }
            done("RESET")
        }
        Statement::ShowVariable { .. } => show(connection, statement, format),
        Statement::Set(set) => {
            assign(connection, set)?;
            done("SET")
        }
        other => Err(error("0A000", &format!("{other} is not supported"))),
    }
}

fn show(connection: &Connection, statement: &Statement, format: &Format) -> PgWireResult<Response> {
    let value = known(connection, &variable(statement))?;
    let fields = Arc::new(vec![shown(statement, format)]);
    let mut row = DataRowEncoder::new(Arc::clone(&fields));
    row.encode_field(&value)?;
    let rows = stream::iter(vec![Ok(row.take_row())]);
    let mut response = QueryResponse::new(fields, rows);
    response.set_command_tag("SHOW");
    Ok(Response::Query(response))
}

fn known(connection: &Connection, name: &str) -> PgWireResult<String> {
    let settings = connection.state.engine.backends().settings(connection.pid);
    let unknown = || error("42704", &format!("unrecognized configuration parameter \"{name}\""));
    value_of(&settings, name).ok_or_else(unknown)
}

fn assign(connection: &Connection, set: &Set) -> PgWireResult<()> {
    let (name, values): (String, Vec<String>) = match set {
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
    let value = values.join(", ");
    let default = value.eq_ignore_ascii_case("default");
    if let Some(name) = settable(&name) {
        let value = (!default).then_some(value);
        if let Some(value) = &value {
            accepts(name, value).map_err(|reason| error("22023", &reason))?;
        }
        connection.state.engine.backends().set(connection.pid, name, value);
        return Ok(());
    }
    let now = known(connection, &name)?;
    if default {
        return Ok(());
    }
    accepts(&name, &value)
        .map_err(|_| error("0A000", &format!("parameter {name} is {now} and cannot be changed")))
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
