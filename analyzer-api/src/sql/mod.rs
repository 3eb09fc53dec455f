//! From text to one statement that may be planned: parse, guard, rewrite.
//!
//! The dialect is PostgreSQL and cannot be changed. [`guard`] refuses what is not a question and what
//! the planner would silently ignore; [`rewrite`] brings PostgreSQL forms into those the planner knows,
//! by rules that look at shapes, never at the text of a particular client's query.

mod array;
pub(crate) mod array_text;
mod casts;
pub(crate) mod correlate;
mod exists;
pub(crate) mod guard;
mod instant;
pub(crate) mod names;
pub(crate) mod parameters;
pub(crate) mod percentiles;
pub(crate) mod reads;
mod recursive;
pub(crate) mod rewrite;
pub(crate) mod round;
mod tableoid;
pub(crate) mod truth;
mod unnest;

use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use crate::error::QueryError;

/// Deepest nesting the parser follows.
const DEPTH_MAX: usize = 64;

/// Parses text of zero or more statements.
///
/// # Errors
/// [`QueryError::Syntax`], [`QueryError::TooLong`].
pub(crate) fn parse(sql: &str, bytes_max: usize) -> Result<Vec<Statement>, QueryError> {
    if sql.len() > bytes_max {
        return Err(QueryError::TooLong { actual: sql.len(), limit: bytes_max });
    }
    Parser::new(&PostgreSqlDialect {})
        .with_recursion_limit(DEPTH_MAX)
        .try_with_sql(sql)
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| QueryError::from_parser(&error))
}

/// Parses text that must be exactly one statement.
///
/// # Errors
/// [`QueryError::Syntax`], [`QueryError::TooLong`], [`QueryError::Unsupported`] for none or several.
pub(crate) fn parse_one(sql: &str, bytes_max: usize) -> Result<Statement, QueryError> {
    let mut statements = parse(sql, bytes_max)?;
    match (statements.pop(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        (None, _) => Err(QueryError::Unsupported("the SQL text holds no statement".to_owned())),
        (Some(_), false) => {
            Err(QueryError::Unsupported("only one statement can be run at a time".to_owned()))
        }
    }
}
