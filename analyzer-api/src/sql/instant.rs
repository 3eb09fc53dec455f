//! Time as PostgreSQL has it: microseconds, texts without seconds, seconds with their fraction.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, TypedString, Value, VisitorMut,
};

use super::rewrite::{call, take};

/// PostgreSQL keeps time in microseconds. The planner would take nanoseconds, which end in the year 2262.
pub(super) fn in_microseconds(data_type: &mut DataType) {
    match data_type {
        DataType::Timestamp(precision @ None, _) => *precision = Some(6),
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) => in_microseconds(element),
        _ => {}
    }
}

/// Takes the precision away again that [`in_microseconds`] gave.
pub(super) struct Nanoseconds;

impl VisitorMut for Nanoseconds {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Cast { data_type: DataType::Timestamp(precision, _), .. }
        | Expr::TypedString(TypedString {
            data_type: DataType::Timestamp(precision, _), ..
        }) = expr
        {
            *precision = None;
        }
        ControlFlow::Continue(())
    }
}

/// `2026-03-29 01:30` and `2026-03-29 01:30+02` get the seconds that the engine wants.
pub(super) fn with_seconds(value: &mut Value) {
    let Value::SingleQuotedString(text) = value else { return };
    let minutes = "2026-03-29 01:30".len();
    let (Some(head), Some(rest)) = (text.get(..minutes), text.get(minutes..)) else { return };
    let shape = |(at, character): (usize, char)| match at {
        4 | 7 => character == '-',
        10 => matches!(character, ' ' | 'T'),
        13 => character == ':',
        _ => character.is_ascii_digit(),
    };
    let without = !rest.starts_with(|c: char| c == ':' || c.is_ascii_digit());
    if without && head.chars().enumerate().all(shape) {
        *text = format!("{head}:00{rest}");
    }
}

/// Seconds with their fraction, as PostgreSQL gives them; the engine's have none.
pub(super) fn seconds(time: Expr) -> Expr {
    let part = Expr::value(Value::SingleQuotedString("microsecond".to_owned()));
    Expr::Nested(Box::new(Expr::BinaryOp {
        left: Box::new(call("date_part", vec![part, time])),
        op: BinaryOperator::Divide,
        right: Box::new(Expr::value(Value::Number("1000000.0".to_owned(), false))),
    }))
}

/// `date_part('second', t)`.
pub(super) fn part_of_second(function: &mut Function) -> Option<Expr> {
    if !function.name.to_string().eq_ignore_ascii_case("date_part") {
        return None;
    }
    let FunctionArguments::List(list) = &mut function.args else { return None };
    let [
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(part))),
        FunctionArg::Unnamed(FunctionArgExpr::Expr(time)),
    ] = list.args.as_mut_slice()
    else {
        return None;
    };
    let second = matches!(&part.value, Value::SingleQuotedString(text)
        if ["second", "seconds"].contains(&text.to_ascii_lowercase().as_str()));
    second.then(|| seconds(take(time)))
}
