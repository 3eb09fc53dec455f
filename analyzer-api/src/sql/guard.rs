//! What may be asked. Everything not named here is refused.
//!
//! The planner drops some clauses without a word (a sample, a version of a table, hints): an answer to
//! another question than the one asked. The structures below are taken apart field by field, without
//! `..`, so that a clause that a newer parser learns fails to compile here instead of being ignored.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    DescribeAlias, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr,
    JoinOperator, Query, Select, SelectFlavor, SetExpr, Statement, TableFactor, Value, Visit,
    Visitor, WindowType,
};

use crate::error::QueryError;
use crate::functions::gapfill;

/// Table functions that compute their rows from their arguments, and those of the past ([`crate::past`]).
const TABLE_FUNCTIONS: [&str; 8] = [
    "as_of",
    "changes",
    gapfill::BINS,
    "generate_series",
    "history",
    "range",
    "replay_check",
    "unnest",
];

/// Functions that a query must not call although the engine has them.
const FORBIDDEN_FUNCTIONS: [&str; 1] = ["arrow_metadata"];

/// Checks a statement; `may_measure` permits `EXPLAIN ANALYZE`.
///
/// # Errors
/// [`QueryError::NotAllowed`] or [`QueryError::Unsupported`], naming the clause.
pub(crate) fn check(statement: &Statement, may_measure: bool) -> Result<(), QueryError> {
    match statement {
        Statement::Query(_) => {}
        Statement::Explain {
            describe_alias,
            analyze,
            verbose: _,
            query_plan,
            estimate,
            statement,
            format: _,
            options,
        } => {
            if *describe_alias != DescribeAlias::Explain {
                return Err(not_allowed("DESCRIBE (use \\d or information_schema.columns)"));
            }
            if *query_plan || *estimate || options.is_some() {
                return Err(unsupported("options of EXPLAIN"));
            }
            if *analyze && !may_measure {
                return Err(QueryError::NotAllowed(
                    "EXPLAIN ANALYZE is for administrators: it runs the query and shows row counts"
                        .to_owned(),
                ));
            }
            if !matches!(**statement, Statement::Query(_)) {
                return Err(not_allowed("EXPLAIN of anything but SELECT"));
            }
        }
        other => return Err(not_allowed(&verb(other))),
    }
    let mut walk = Walk;
    match statement.visit(&mut walk) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// The first words of a statement, such as `CREATE TABLE`.
fn verb(statement: &Statement) -> String {
    let text = statement.to_string();
    let words: Vec<&str> = text
        .split_whitespace()
        .take(2)
        .filter(|word| word.chars().all(char::is_alphabetic))
        .collect();
    words.join(" ").to_uppercase()
}

fn not_allowed(what: &str) -> QueryError {
    QueryError::NotAllowed(format!("{what} is not allowed: the analyzer answers SELECT only"))
}

fn unsupported(what: &str) -> QueryError {
    QueryError::Unsupported(format!("{what} is not supported"))
}

fn refuse<T>(found: bool, what: &str) -> ControlFlow<QueryError, T>
where
    T: Default,
{
    if found { ControlFlow::Break(unsupported(what)) } else { ControlFlow::Continue(T::default()) }
}

struct Walk;

impl Visitor for Walk {
    type Break = QueryError;

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<QueryError> {
        match statement {
            Statement::Query(_) | Statement::Explain { .. } => ControlFlow::Continue(()),
            other => ControlFlow::Break(not_allowed(&verb(other))),
        }
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<QueryError> {
        let Query {
            with,
            body,
            order_by: _,
            limit_clause: _,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        refuse::<()>(!locks.is_empty(), "FOR UPDATE and FOR SHARE")?;
        refuse::<()>(for_clause.is_some(), "FOR XML and FOR JSON")?;
        refuse::<()>(settings.is_some(), "SETTINGS")?;
        refuse::<()>(format_clause.is_some(), "FORMAT")?;
        refuse::<()>(!pipe_operators.is_empty(), "the pipe operator")?;
        refuse::<()>(
            fetch.as_ref().is_some_and(|fetch| fetch.percent || fetch.with_ties),
            "FETCH with PERCENT or WITH TIES",
        )?;
        refuse::<()>(
            with.as_ref().is_some_and(|with| with.cte_tables.iter().any(|cte| cte.from.is_some())),
            "FROM in a common table expression",
        )?;
        self.set_expr(body)
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<QueryError> {
        let Select {
            select_token: _,
            optimizer_hints,
            distinct: _,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection: _,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection: _,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having: _,
            named_window: _,
            qualify: _,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        // A hint in a comment is a comment to PostgreSQL; the parser reads none in its dialect.
        refuse::<()>(!optimizer_hints.is_empty(), "an optimizer hint")?;
        refuse::<()>(select_modifiers.is_some(), "a SELECT modifier")?;
        refuse::<()>(top.is_some(), "TOP")?;
        refuse::<()>(exclude.is_some(), "EXCLUDE")?;
        if into.is_some() {
            return ControlFlow::Break(not_allowed("SELECT INTO"));
        }
        refuse::<()>(!lateral_views.is_empty(), "LATERAL VIEW")?;
        refuse::<()>(prewhere.is_some(), "PREWHERE")?;
        refuse::<()>(!connect_by.is_empty(), "CONNECT BY")?;
        refuse::<()>(!cluster_by.is_empty(), "CLUSTER BY")?;
        refuse::<()>(!distribute_by.is_empty(), "DISTRIBUTE BY")?;
        refuse::<()>(!sort_by.is_empty(), "SORT BY")?;
        refuse::<()>(value_table_mode.is_some(), "SELECT AS VALUE and SELECT AS STRUCT")?;
        refuse::<()>(*flavor != SelectFlavor::Standard, "FROM before SELECT")?;
        match group_by {
            GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers) => {
                refuse::<()>(!modifiers.is_empty(), "a GROUP BY modifier")?;
            }
        }
        for join in from.iter().flat_map(|table| &table.joins) {
            refuse::<()>(join.global, "GLOBAL JOIN")?;
            if matches!(
                join.join_operator,
                JoinOperator::AsOf { .. }
                    | JoinOperator::StraightJoin(_)
                    | JoinOperator::CrossApply
                    | JoinOperator::OuterApply
            ) {
                return ControlFlow::Break(unsupported("this kind of join"));
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<QueryError> {
        match factor {
            TableFactor::Table {
                name,
                alias: _,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                refuse::<()>(!with_hints.is_empty(), "a table hint")?;
                refuse::<()>(version.is_some(), "a version of a table")?;
                refuse::<()>(*with_ordinality, "WITH ORDINALITY")?;
                refuse::<()>(!partitions.is_empty(), "PARTITION")?;
                refuse::<()>(json_path.is_some(), "a JSON path after a table")?;
                refuse::<()>(sample.is_some(), "TABLESAMPLE")?;
                refuse::<()>(!index_hints.is_empty(), "an index hint")?;
                if let Some(args) = args {
                    refuse::<()>(args.settings.is_some(), "SETTINGS")?;
                    let function = last_part(&name.to_string());
                    if !TABLE_FUNCTIONS.contains(&function.as_str()) {
                        return ControlFlow::Break(QueryError::Function(format!(
                            "table function {function} does not exist"
                        )));
                    }
                }
                ControlFlow::Continue(())
            }
            TableFactor::Derived { lateral: _, subquery: _, alias: _, sample } => {
                refuse(sample.is_some(), "TABLESAMPLE")
            }
            TableFactor::NestedJoin { table_with_joins: _, alias } => {
                refuse(alias.is_some(), "an alias of a parenthesized join")
            }
            TableFactor::UNNEST {
                alias: _,
                array_exprs: _,
                with_offset,
                with_offset_alias: _,
                with_ordinality,
            } => refuse(*with_offset || *with_ordinality, "WITH ORDINALITY"),
            _ => ControlFlow::Break(unsupported("this kind of table")),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<QueryError> {
        let Expr::Function(Function {
            name,
            uses_odbc_syntax,
            parameters: _,
            args,
            filter,
            null_treatment,
            over,
            within_group: _,
        }) = expr
        else {
            return ControlFlow::Continue(());
        };
        refuse::<()>(*uses_odbc_syntax, "the {fn …} form")?;
        let function = last_part(&name.to_string());
        if FORBIDDEN_FUNCTIONS.contains(&function.as_str()) {
            return ControlFlow::Break(not_allowed(&format!("function {function}")));
        }
        // The engine's patterns are others than PostgreSQL's, which it would give back as they are.
        if function == "to_char"
            && let Some(pattern) = literal_argument(args, 1)
            && !pattern.contains('%')
        {
            return ControlFlow::Break(QueryError::Function(format!(
                "function to_char takes patterns such as '%Y-%m-%d %H:%M:%S' here, not '{pattern}'"
            )));
        }
        if gapfill::OVER_ORDER.contains(&function.as_str()) {
            let ordered = match over {
                Some(WindowType::WindowSpec(window)) if !window.order_by.is_empty() => window,
                _ => {
                    return ControlFlow::Break(QueryError::Function(format!(
                        "function {function} needs OVER (… ORDER BY …)"
                    )));
                }
            };
            // The planner would take these and do nothing with them.
            let distinct = matches!(args, FunctionArguments::List(list)
                if list.duplicate_treatment.is_some() || !list.clauses.is_empty());
            refuse::<()>(
                ordered.window_frame.is_some()
                    || filter.is_some()
                    || null_treatment.is_some()
                    || distinct,
                &format!("a frame, FILTER, DISTINCT or null treatment of function {function}"),
            )?;
        }
        ControlFlow::Continue(())
    }
}

impl Walk {
    fn set_expr(&self, body: &SetExpr) -> ControlFlow<QueryError> {
        match body {
            SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => {
                ControlFlow::Continue(())
            }
            SetExpr::SetOperation { left, right, op: _, set_quantifier: _ } => {
                self.set_expr(left)?;
                self.set_expr(right)
            }
            SetExpr::Table(_) => ControlFlow::Break(unsupported("the TABLE command")),
            SetExpr::Insert(statement)
            | SetExpr::Update(statement)
            | SetExpr::Delete(statement)
            | SetExpr::Merge(statement) => ControlFlow::Break(not_allowed(&verb(statement))),
        }
    }
}

/// An argument that is a text constant.
fn literal_argument(args: &FunctionArguments, at: usize) -> Option<&str> {
    let FunctionArguments::List(list) = args else { return None };
    match list.args.get(at)? {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value))) => match &value.value {
            Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

fn last_part(name: &str) -> String {
    name.rsplit('.').next().unwrap_or(name).trim_matches('"').to_ascii_lowercase()
}
