//! Table functions of the past, taken out of a statement: each becomes the name of a table that will hold its
//! answer.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    CastKind, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName,
    ObjectNamePart, Statement, TableAlias, TableFactor, TypedString, Value, VisitMut, VisitorMut,
};
use ledgerline_event_store::EventReader;
use ledgerline_projections::{Snapshot, TableDef};
use ledgerline_schemas::Position;

use super::{Asked, Moment, Requests, SCHEMA};
use crate::error::QueryError;

/// Most of them in one statement.
const FUNCTIONS_MAX: usize = 8;
/// The functions that stand where a table stands.
const TABLE_FUNCTIONS: [&str; 4] = ["as_of", "changes", "history", "replay_check"];
/// The function that gives a position for an instant.
const POSITION_AT: &str = "position_at";

/// Takes the functions out of a statement, and `position_at` with the position it means. `sees` says which
/// tables there are for who asks.
///
/// # Errors
/// [`QueryError::Function`] or [`QueryError::Table`], naming function and argument.
pub(crate) fn rewrite(
    statement: &mut Statement,
    snapshot: &Snapshot,
    log: &dyn EventReader,
    sees: &dyn Fn(&str) -> bool,
) -> Result<Requests, QueryError> {
    let mut finder = Finder { snapshot, log, sees, requests: Requests::new() };
    match statement.visit(&mut finder) {
        ControlFlow::Continue(()) => Ok(finder.requests),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Finder<'a> {
    snapshot: &'a Snapshot,
    log: &'a dyn EventReader,
    sees: &'a dyn Fn(&str) -> bool,
    requests: Requests,
}

impl VisitorMut for Finder<'_> {
    type Break = QueryError;

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<QueryError> {
        let TableFactor::Table { name, alias, args: Some(arguments), .. } = factor else {
            return ControlFlow::Continue(());
        };
        let function = last_part(name);
        if !TABLE_FUNCTIONS.contains(&function.as_str()) || arguments.settings.is_some() {
            return ControlFlow::Continue(());
        }
        let asked = match self.asked(&function, &arguments.args) {
            Ok(asked) => asked,
            Err(error) => return ControlFlow::Break(error),
        };
        let shown = match &asked {
            Asked::AsOf { table, .. } => table.name,
            _ => function.as_str(),
        };
        if alias.is_none() {
            *alias = Some(TableAlias {
                explicit: true,
                name: Ident::new(shown),
                columns: Vec::new(),
                at: None,
            });
        }
        let stands_for = self.stands_for(asked);
        *name = ObjectName(vec![
            ObjectNamePart::Identifier(Ident::new(SCHEMA)),
            ObjectNamePart::Identifier(Ident::new(stands_for)),
        ]);
        let TableFactor::Table { args, .. } = factor else { return ControlFlow::Continue(()) };
        *args = None;
        if self.requests.len() > FUNCTIONS_MAX {
            return ControlFlow::Break(QueryError::Unsupported(format!(
                "more than {FUNCTIONS_MAX} different as_of, changes, history and replay_check in one statement"
            )));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<QueryError> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        if last_part(&function.name) != POSITION_AT {
            return ControlFlow::Continue(());
        }
        let FunctionArguments::List(list) = &function.args else {
            return ControlFlow::Continue(());
        };
        match self.position_at(&list.args) {
            Ok(position) => *expr = Expr::value(Value::Number(position.to_string(), false)),
            Err(error) => return ControlFlow::Break(error),
        }
        ControlFlow::Continue(())
    }
}

impl Finder<'_> {
    fn asked(&self, function: &str, arguments: &[FunctionArg]) -> Result<Asked, QueryError> {
        let values: Vec<&Expr> =
            arguments.iter().map(|it| plain(function, it)).collect::<Result<_, _>>()?;
        let wrong = |usage: &str| {
            QueryError::Function(format!(
                "{function} takes {usage}; it has {} arguments here",
                values.len()
            ))
        };
        let end = self.snapshot.position;
        match (function, values.as_slice()) {
            ("as_of", [table, moment]) => {
                let at = self.moment(function, "the position or instant", moment)?;
                Ok(Asked::AsOf { table: self.table(function, table)?, at })
            }
            ("as_of", _) => Err(wrong("a table and a position or instant")),
            ("changes", [table, from, to]) => {
                let (from, to) = self.range(function, from, to)?;
                Ok(Asked::Changes { table: self.table(function, table)?, from, to, key: None })
            }
            ("changes", _) => Err(wrong("a table, the position before the first, and the last")),
            ("history", [table, key]) => {
                let (from, to) = (Position::START, end);
                let key = Some(key_of(function, key)?);
                Ok(Asked::Changes { table: self.table(function, table)?, from, to, key })
            }
            ("history", [table, key, from, to]) => {
                let (from, to) = self.range(function, from, to)?;
                let key = Some(key_of(function, key)?);
                Ok(Asked::Changes { table: self.table(function, table)?, from, to, key })
            }
            ("history", _) => Err(wrong(
                "a table and the row's key, then the two positions between which to look",
            )),
            ("replay_check", [table, from, to]) => {
                let (from, to) = self.range(function, from, to)?;
                Ok(Asked::Check { table: self.table(function, table)?, from, to })
            }
            _ => Err(wrong("a table, the position before the first, and the last")),
        }
    }

    fn table(&self, function: &str, expr: &Expr) -> Result<&'static TableDef, QueryError> {
        let name = literal(expr).ok_or_else(|| {
            QueryError::Function(format!(
                "{function}: the table is named in quotes, as 'queue_leg'"
            ))
        })?;
        let name = name.strip_prefix("public.").unwrap_or(&name);
        self.snapshot
            .tables
            .get(name)
            .filter(|table| (self.sees)(table.def.name))
            .map(|table| table.def)
            .ok_or_else(|| QueryError::Table(format!("{function}: table \"{name}\" not found")))
    }

    fn range(
        &self,
        function: &str,
        from: &Expr,
        to: &Expr,
    ) -> Result<(Position, Position), QueryError> {
        let from = self.moment(function, "the position before the first", from)?;
        let to = self.moment(function, "the last position", to)?;
        if from > to {
            return Err(QueryError::Value(format!(
                "{function}: the position before the first ({from}) is after the last ({to})"
            )));
        }
        Ok((from, to))
    }

    /// A position that the tables of this answer have reached.
    fn moment(&self, function: &str, what: &str, expr: &Expr) -> Result<Position, QueryError> {
        let named = |error: &QueryError| QueryError::Value(format!("{function}: {what}: {error}"));
        let position = match literal(expr) {
            Some(text) => {
                Moment::parse(&text).map_err(|error| named(&error))?.position(self.log)?
            }
            None if is_call(expr, "current_position") => self.snapshot.position,
            None => {
                return Err(QueryError::Function(format!(
                    "{function}: {what} is a literal (a position, or an instant in quotes), \
                     current_position() or position_at('…')"
                )));
            }
        };
        if position > self.snapshot.position {
            return Err(QueryError::NotReached {
                what: format!("{function}: {what}"),
                position,
                tables: self.snapshot.position,
            });
        }
        Ok(position)
    }

    fn position_at(&self, arguments: &[FunctionArg]) -> Result<Position, QueryError> {
        let [argument] = arguments else {
            return Err(QueryError::Function(format!("{POSITION_AT} takes one instant")));
        };
        let text = literal(plain(POSITION_AT, argument)?).ok_or_else(|| {
            QueryError::Function(format!("{POSITION_AT}: the instant is a literal in quotes"))
        })?;
        match Moment::parse(&text)? {
            moment @ Moment::Recorded(_) => {
                Ok(moment.position(self.log)?.min(self.snapshot.position))
            }
            Moment::At(_) => {
                Err(QueryError::Value(format!("{POSITION_AT}: \"{text}\" is not an instant")))
            }
        }
    }

    /// The name for a request; the same for the same one.
    fn stands_for(&mut self, asked: Asked) -> String {
        let known = self.requests.iter().find(|(_, it)| **it == asked);
        if let Some((name, _)) = known {
            return name.clone();
        }
        let name = format!("t{}", self.requests.len() + 1);
        self.requests.insert(name.clone(), asked);
        name
    }
}

fn last_part(name: &ObjectName) -> String {
    match name.0.last() {
        Some(ObjectNamePart::Identifier(ident)) => ident.value.to_ascii_lowercase(),
        _ => String::new(),
    }
}

fn plain<'a>(function: &str, argument: &'a FunctionArg) -> Result<&'a Expr, QueryError> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
        _ => Err(QueryError::Function(format!("{function} takes arguments by place, not by name"))),
    }
}

/// Digits or the content of quotes, also with a type before or behind it.
fn literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => Some(digits.to_string()),
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        Expr::TypedString(TypedString { value, .. }) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr, .. } => literal(expr),
        Expr::Nested(inner) => literal(inner),
        _ => None,
    }
}

fn key_of(function: &str, expr: &Expr) -> Result<String, QueryError> {
    literal(expr).ok_or_else(|| {
        QueryError::Function(format!(
            "{function}: the key is a literal: the values of the key columns with | between them"
        ))
    })
}

fn is_call(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Function(function) if last_part(&function.name) == name)
}
