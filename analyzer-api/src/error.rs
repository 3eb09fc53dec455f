//! Why a query has no answer: one error for every door, with its HTTP status and SQLSTATE.

use datafusion::arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use ledgerline_schemas::Position;

/// A query was refused or failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The text is not SQL.
    #[error("syntax error: {message}")]
    Syntax {
        /// What the parser says.
        message: String,
        /// Line and column of the place, from 1, when the parser knows it.
        place: Option<(u64, u64)>,
    },
    /// The statement is understood and not allowed.
    #[error("{0}")]
    NotAllowed(String),
    /// The statement uses what is not supported here.
    #[error("{0}")]
    Unsupported(String),
    /// A column does not exist or is ambiguous.
    #[error("{0}")]
    Column(String),
    /// A table does not exist.
    #[error("{0}")]
    Table(String),
    /// A function does not exist or its arguments do not fit.
    #[error("{0}")]
    Function(String),
    /// The statement does not fit the tables in another way.
    #[error("{0}")]
    Plan(String),
    /// A value could not be computed.
    #[error("{0}")]
    Value(String),
    /// A position after the last one that the tables hold.
    #[error("{what}: position {position} is not reached yet: the tables stand at {tables}")]
    NotReached {
        /// The function, and which of its arguments.
        what: String,
        /// The position.
        position: Position,
        /// Where the tables stand.
        tables: Position,
    },
    /// A division by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// The deadline passed.
    #[error("the query ran longer than {0} ms")]
    Deadline(u128),
    /// The answer has too many rows.
    #[error("the answer has more than {0} rows; add a LIMIT or aggregate")]
    Rows(u64),
    /// The answer has too many bytes.
    #[error("the answer has more than {0} bytes; select fewer columns or rows")]
    Bytes(u64),
    /// The query needs more memory than it may use.
    #[error("the query needs more memory than it may use: {0}")]
    Memory(String),
    /// The query was cancelled.
    #[error("the query was cancelled")]
    Cancelled,
    /// The SQL text is too long.
    #[error("the SQL text has {actual} bytes, the limit is {limit}")]
    TooLong {
        /// Its size.
        actual: usize,
        /// The limit.
        limit: usize,
    },
    /// The organization's tables are not there (yet).
    #[error("the tables of organization {0} are not ready")]
    NotReady(String),
    /// The access event could not be recorded, so the answer is withheld.
    #[error("the query could not be recorded: {0}")]
    NotRecorded(String),
    /// Something broke on our side.
    #[error("the query failed: {0}")]
    Internal(String),
}

impl QueryError {
    /// A stable code, `lower_snake`; the outcome in access events.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "syntax_error",
            Self::NotAllowed(_) => "not_allowed",
            Self::Unsupported(_) => "not_supported",
            Self::Column(_) => "unknown_column",
            Self::Table(_) => "unknown_table",
            Self::Function(_) => "unknown_function",
            Self::Plan(_) => "invalid_query",
            Self::Value(_) | Self::NotReached { .. } | Self::DivisionByZero => "invalid_value",
            Self::Deadline(_) => "deadline_exceeded",
            Self::Rows(_) => "too_many_rows",
            Self::Bytes(_) => "too_many_bytes",
            Self::Memory(_) => "out_of_memory",
            Self::Cancelled => "cancelled",
            Self::TooLong { .. } => "sql_too_long",
            Self::NotReady(_) => "not_ready",
            Self::NotRecorded(_) => "not_recorded",
            Self::Internal(_) => "internal_error",
        }
    }

    /// The SQLSTATE a PostgreSQL client sees.
    #[must_use]
    pub const fn sqlstate(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "42601",
            Self::NotAllowed(_) => "42501",
            Self::Unsupported(_) => "0A000",
            Self::Column(_) => "42703",
            Self::Table(_) => "42P01",
            Self::Function(_) => "42883",
            Self::Plan(_) => "42000",
            Self::Value(_) | Self::NotReached { .. } => "22000",
            Self::DivisionByZero => "22012",
            Self::Deadline(_) | Self::Cancelled => "57014",
            Self::Rows(_) | Self::Bytes(_) | Self::TooLong { .. } => "54000",
            Self::Memory(_) => "53200",
            Self::NotReady(_) => "57P03",
            Self::NotRecorded(_) => "58000",
            Self::Internal(_) => "XX000",
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::NotAllowed(_) => 403,
            Self::Deadline(_) => 504,
            Self::Rows(_) | Self::Bytes(_) | Self::Memory(_) => 422,
            Self::Cancelled => 499,
            Self::TooLong { .. } => 413,
            Self::NotReady(_) | Self::NotRecorded(_) => 503,
            Self::Internal(_) => 500,
            _ => 400,
        }
    }

    /// From the parser; the place is taken from its text.
    #[must_use]
    pub fn from_parser(error: &ParserError) -> Self {
        let text = match error {
            ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.clone(),
            ParserError::RecursionLimitExceeded => "the statement is nested too deeply".to_owned(),
        };
        Self::Syntax { place: place_of(&text), message: text }
    }
}

/// `… at Line: 1, Column: 8`, as the parser writes it.
fn place_of(text: &str) -> Option<(u64, u64)> {
    let (_, rest) = text.rsplit_once("Line: ")?;
    let (line, column) = rest.split_once(", Column: ")?;
    let digits: String = column.chars().take_while(char::is_ascii_digit).collect();
    Some((line.trim().parse().ok()?, digits.parse().ok()?))
}

impl From<DataFusionError> for QueryError {
    fn from(error: DataFusionError) -> Self {
        from_root(error.find_root())
    }
}

/// How the planner wraps what a function says about the types of its arguments.
const MISFIT: &str = "user-defined coercion failed with: ";

fn from_root(root: &DataFusionError) -> QueryError {
    match root {
        DataFusionError::SQL(error, _) => QueryError::from_parser(error),
        DataFusionError::SchemaError(error, _) => match error.as_ref() {
            SchemaError::FieldNotFound { .. } | SchemaError::AmbiguousReference { .. } => {
                QueryError::Column(error.to_string())
            }
            _ => QueryError::Plan(error.to_string()),
        },
        DataFusionError::Plan(text) => from_plan(text),
        DataFusionError::NotImplemented(text) => QueryError::Unsupported(text.clone()),
        DataFusionError::Execution(text) => match text.split_once(MISFIT) {
            Some((_, reason)) => {
                let reason = reason.strip_prefix("Error during planning: ").unwrap_or(reason);
                QueryError::Function(reason.to_owned())
            }
            None => QueryError::Value(text.clone()),
        },
        DataFusionError::ArrowError(error, _) => match error.as_ref() {
            ArrowError::DivideByZero => QueryError::DivisionByZero,
            ArrowError::ExternalError(inner) => external(inner.as_ref()),
            // What a spill file refuses comes back through the writer of Arrow.
            ArrowError::IoError(_, error) => match error.get_ref() {
                Some(inner) => external(inner),
                None => QueryError::Internal(error.to_string()),
            },
            other => QueryError::Value(other.to_string()),
        },
        DataFusionError::ResourcesExhausted(text) => QueryError::Memory(text.clone()),
        DataFusionError::External(inner) => external(inner.as_ref()),
        DataFusionError::Diagnostic(_, inner) | DataFusionError::Context(_, inner) => {
            from_root(inner)
        }
        DataFusionError::Collection(errors) => match errors.first() {
            Some(first) => from_root(first.find_root()),
            None => QueryError::Internal(root.to_string()),
        },
        _ => QueryError::Internal(root.to_string()),
    }
}

fn external(error: &(dyn std::error::Error + Send + Sync + 'static)) -> QueryError {
    if let Some(ours) = error.downcast_ref::<QueryError>() {
        return ours.clone();
    }
    match error.downcast_ref::<DataFusionError>() {
        Some(inner) => from_root(inner.find_root()),
        None => QueryError::Internal(error.to_string()),
    }
}

/// The planner has one error kind for several faults; its first words tell them apart.
fn from_plan(text: &str) -> QueryError {
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("table ") && lower.contains("not found") {
        QueryError::Table(text.to_owned())
    } else if lower.starts_with("invalid function")
        || lower.starts_with("function ")
        || lower.contains("no function matches")
        || lower.starts_with("error during planning: failed to coerce")
        || lower.contains("coerce_types")
    {
        QueryError::Function(text.to_owned())
    } else {
        QueryError::Plan(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_function_says_about_its_arguments_is_kept() {
        let text =
            format!("Function 'f' {MISFIT}Error during planning: function f: x must be text");
        let error = QueryError::from(DataFusionError::Execution(text));
        assert_eq!(error, QueryError::Function("function f: x must be text".to_owned()));
    }

    #[test]
    fn a_syntax_error_names_its_place() {
        let error = ParserError::ParserError("Expected: x, found: y at Line: 3, Column: 14".into());
        assert!(matches!(
            QueryError::from_parser(&error),
            QueryError::Syntax { place: Some((3, 14)), .. }
        ));
    }
}
