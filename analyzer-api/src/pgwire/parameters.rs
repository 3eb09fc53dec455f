//! Types of parameters.
//!
//! A client may say them, the statement may (`$1::date`), or the place where a parameter stands tells. What
//! nobody tells is text, as in PostgreSQL. Once known, a type is written into the statement as a cast around
//! its parameter, so that the planner and the client agree about it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use arrow_pg::datatypes::into_pg_type;
use datafusion::arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, CastKind, DataType as SqlType, ExactNumberInfo, Expr, Ident,
    LimitClause, ObjectNamePart, Query, SelectItem, SetExpr, Statement, TimezoneInfo, Value, Visit,
    VisitMut, Visitor, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use pgwire::api::Type;
use pgwire::error::PgWireResult;

/// What a parameter is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Known {
    /// To the planner.
    pub(super) arrow: DataType,
    /// On the wire.
    pub(super) wire: Type,
    /// In a cast around it; `None` where none may stand.
    sql: Option<SqlType>,
}

impl Known {
    /// Whether it is an array.
    pub(super) const fn is_array(&self) -> bool {
        matches!(self.arrow, DataType::List(_))
    }
}

/// The types of a statement's parameters, by number.
pub(super) type Types = BTreeMap<usize, Known>;

/// Where the parameters of a statement stand.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Every number that occurs.
    pub(super) numbers: BTreeSet<usize>,
    /// The types that the statement casts them to.
    casts: BTreeMap<usize, SqlType>,
    /// Those that are arrays: `x = ANY ($1)`.
    arrays: BTreeSet<usize>,
    /// Those that count rows: `LIMIT $1`.
    counts: BTreeSet<usize>,
}

impl Places {
    pub(super) fn of(statement: &Statement) -> Self {
        let mut places = Self::default();
        let _: ControlFlow<()> = statement.visit(&mut places);
        places
    }

    /// What is known before planning: what the client declares, then what the statement says.
    pub(super) fn known(&self, declared: &[Option<Type>]) -> Types {
        let mut types = Types::new();
        for number in &self.numbers {
            let declared = number.checked_sub(1).and_then(|at| declared.get(at)).cloned().flatten();
            let cast = self.casts.get(number);
            let known = match declared.filter(|it| *it != Type::UNKNOWN && *it != Type::VOID) {
                _ if self.counts.contains(number) => Some(count()),
                // A number without bounds takes those of the cast around it.
                Some(Type::NUMERIC) => match cast.and_then(from_sql) {
                    Some(known) if matches!(known.arrow, DataType::Decimal128(..)) => Some(known),
                    _ => from_sql(&SqlType::Numeric(ExactNumberInfo::PrecisionAndScale(38, 10))),
                },
                Some(declared) => Some(from_wire(&declared)),
                None => cast.and_then(from_sql),
            };
            if let Some(known) = known {
                types.insert(*number, known);
            }
        }
        types
    }

    /// Adds the rest: what the planner has inferred, or text.
    pub(super) fn complete(&self, types: &mut Types, inferred: impl Fn(usize) -> Option<DataType>) {
        for number in &self.numbers {
            let inferred = inferred(*number).and_then(|arrow| {
                let arrow = if self.arrays.contains(number) && !matches!(arrow, DataType::List(_)) {
                    DataType::new_list(plain(arrow), true)
                } else {
                    plain(arrow)
                };
                from_arrow(arrow)
            });
            let is_array = self.arrays.contains(number);
            types.entry(*number).or_insert_with(|| inferred.unwrap_or_else(|| text(is_array)));
        }
    }
}

impl Visitor for Places {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let Some(LimitClause::LimitOffset { limit, offset, .. }) = &query.limit_clause {
            let offset = offset.as_ref().map(|offset| &offset.value);
            self.counts.extend(limit.iter().chain(offset).filter_map(number));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Value(_) => self.numbers.extend(number(expr)),
            Expr::Cast { expr, data_type, .. } => {
                if let Some(number) = number(expr) {
                    self.casts.entry(number).or_insert_with(|| data_type.clone());
                }
            }
            Expr::AnyOp { compare_op: BinaryOperator::Eq, right, .. } => {
                self.arrays.extend(number(bare(right)));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// The number of a parameter.
fn number(expr: &Expr) -> Option<usize> {
    let Expr::Value(value) = expr else { return None };
    let Value::Placeholder(name) = &value.value else { return None };
    name.strip_prefix('$')?.parse().ok().filter(|number| *number > 0)
}

fn bare(mut expr: &Expr) -> &Expr {
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    expr
}

/// Writes what is known into a statement. An array whose type is not known yet becomes a list of one, from which
/// the planner can tell the type of its elements.
pub(super) fn write(statement: &mut Statement, types: &Types) {
    let mut casts = Casts { types };
    let _: ControlFlow<()> = statement.visit(&mut casts);
}

/// A whole number among the columns of an answer is `integer` if it is small enough; the planner has wide ones only.
pub(super) fn narrow(statement: &mut Statement) {
    let Statement::Query(query) = statement else { return };
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    for item in &mut select.projection {
        let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
            continue;
        };
        let Expr::Value(value) = &*expr else { continue };
        let Value::Number(digits, _) = &value.value else { continue };
        if digits.parse::<i32>().is_err() {
            continue;
        }
        let number = std::mem::replace(expr, Expr::value(Value::Null));
        let name = Ident::with_quote('"', "?column?");
        let cast = Expr::Cast {
            kind: CastKind::DoubleColon,
            expr: Box::new(number),
            data_type: SqlType::Integer(None),
            array: false,
            format: None,
        };
        *item = match std::mem::replace(item, SelectItem::UnnamedExpr(Expr::value(Value::Null))) {
            SelectItem::ExprWithAlias { alias, .. } => {
                SelectItem::ExprWithAlias { expr: cast, alias }
            }
            _ => SelectItem::ExprWithAlias { expr: cast, alias: name },
        };
    }
}

struct Casts<'a> {
    types: &'a Types,
}

impl VisitorMut for Casts<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } = expr
            && number(bare(right)).is_some_and(|number| !self.types.contains_key(&number))
        {
            let element = bare(right).clone();
            let left = std::mem::replace(left.as_mut(), Expr::value(Value::Null));
            *expr = Expr::InList { expr: Box::new(left), list: vec![element], negated: false };
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some(known) = number(expr).and_then(|number| self.types.get(&number))
            && let Some(data_type) = &known.sql
        {
            let parameter = std::mem::replace(expr, Expr::value(Value::Null));
            *expr = Expr::Cast {
                kind: CastKind::DoubleColon,
                expr: Box::new(parameter),
                data_type: data_type.clone(),
                array: false,
                format: None,
            };
        }
        ControlFlow::Continue(())
    }
}

fn count() -> Known {
    Known { arrow: DataType::Int64, wire: Type::INT8, sql: None }
}

fn text(array: bool) -> Known {
    let sql = if array { "text[]" } else { "text" };
    let arrow = if array { DataType::new_list(DataType::Utf8, true) } else { DataType::Utf8 };
    let wire = if array { Type::TEXT_ARRAY } else { Type::TEXT };
    Known { arrow, wire, sql: sql_type(sql) }
}

fn sql_type(text: &str) -> Option<SqlType> {
    Parser::new(&PostgreSqlDialect {}).try_with_sql(text).ok()?.parse_data_type().ok()
}

/// A type that the client declares. One that is unknown here is read as text.
fn from_wire(declared: &Type) -> Known {
    let known = match *declared {
        Type::OID => sql_type("integer").map(|sql| Known {
            arrow: DataType::Int32,
            wire: Type::OID,
            sql: Some(sql),
        }),
        _ => sql_type(declared.name().trim_start_matches('_')).and_then(|element| {
            let array = declared.name().starts_with('_');
            let sql = if array {
                SqlType::Array(ArrayElemTypeDef::SquareBracket(Box::new(element), None))
            } else {
                element
            };
            from_sql(&sql)
        }),
    };
    let mut known = known.unwrap_or_else(|| text(false));
    known.wire = declared.clone();
    known
}

/// A type that the planner infers.
fn from_arrow(arrow: DataType) -> Option<Known> {
    let wire = into_pg_type(&arrow).ok()?;
    if wire == Type::UNKNOWN {
        return None;
    }
    let sql = match &arrow {
        DataType::Decimal128(precision, scale) => {
            let (precision, scale) = (u64::from(*precision), i64::from(*scale));
            Some(SqlType::Numeric(ExactNumberInfo::PrecisionAndScale(precision, scale)))
        }
        _ => from_wire(&wire).sql,
    };
    Some(Known { arrow, wire, sql })
}

/// A type without the planner's own variants, which the wire does not tell apart.
fn plain(arrow: DataType) -> DataType {
    match arrow {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, value) => plain(*value),
        DataType::List(field) => DataType::List(std::sync::Arc::new(Field::new_list_field(
            plain(field.data_type().clone()),
            true,
        ))),
        other => other,
    }
}

/// A type that the statement names.
fn from_sql(sql: &SqlType) -> Option<Known> {
    let arrow = arrow_of(sql)?;
    if is_oids(sql) {
        return Some(Known { arrow, wire: Type::OID_ARRAY, sql: sql_type("integer[]") });
    }
    let wire = into_pg_type(&arrow).ok()?;
    // Names of catalog types are rules of their own where they stand, around the text of the parameter.
    let catalog = matches!(sql, SqlType::Custom(..) | SqlType::Regclass);
    let sql = if catalog { sql_type("text") } else { Some(sql.clone()) };
    Some(Known { arrow, wire, sql })
}

/// `oid[]`. A client that looks types up by their ids knows how to send these; to be told that they are numbers, it
/// would have to look the type of such an array up first.
fn is_oids(sql: &SqlType) -> bool {
    let SqlType::Array(
        ArrayElemTypeDef::SquareBracket(element, _) | ArrayElemTypeDef::AngleBracket(element),
    ) = sql
    else {
        return false;
    };
    matches!(&**element, SqlType::Custom(name, _) if name.to_string().eq_ignore_ascii_case("oid"))
}

fn arrow_of(sql: &SqlType) -> Option<DataType> {
    let instant = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Some(match sql {
        SqlType::Boolean | SqlType::Bool => DataType::Boolean,
        SqlType::SmallInt(_) | SqlType::Int2(_) => DataType::Int16,
        SqlType::Integer(_) | SqlType::Int(_) | SqlType::Int4(_) => DataType::Int32,
        SqlType::BigInt(_) | SqlType::Int8(_) => DataType::Int64,
        SqlType::Real | SqlType::Float4 => DataType::Float32,
        SqlType::DoublePrecision | SqlType::Float8 | SqlType::Float(_) | SqlType::Double(_) => {
            DataType::Float64
        }
        SqlType::Numeric(bounds) | SqlType::Decimal(bounds) | SqlType::Dec(bounds) => {
            let (precision, scale) = match bounds {
                ExactNumberInfo::None => (38, 10),
                ExactNumberInfo::Precision(precision) => (*precision, 0),
                ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
            };
            DataType::Decimal128(u8::try_from(precision).ok()?, i8::try_from(scale).ok()?)
        }
        SqlType::Text
        | SqlType::Varchar(_)
        | SqlType::CharacterVarying(_)
        | SqlType::CharVarying(_)
        | SqlType::Char(_)
        | SqlType::Character(_)
        | SqlType::JSON
        | SqlType::JSONB
        | SqlType::Uuid
        | SqlType::Regclass => DataType::Utf8,
        SqlType::Bytea => DataType::Binary,
        SqlType::Date => DataType::Date32,
        SqlType::Time(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            DataType::Time64(TimeUnit::Nanosecond)
        }
        SqlType::Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        }
        SqlType::Timestamp(..) | SqlType::TimestampNtz(_) => instant(),
        SqlType::Interval { .. } => DataType::Interval(IntervalUnit::MonthDayNano),
        SqlType::Array(
            ArrayElemTypeDef::SquareBracket(element, _) | ArrayElemTypeDef::AngleBracket(element),
        ) => DataType::new_list(arrow_of(element)?, true),
        SqlType::Custom(name, _) => match name.0.last()? {
            ObjectNamePart::Identifier(name) => match name.value.to_ascii_lowercase().as_str() {
                "oid" | "xid" | "cid" => DataType::Int32,
                _ => DataType::Utf8,
            },
            ObjectNamePart::Function(_) => return None,
        },
        _ => return None,
    })
}

/// As which type the bytes of a parameter are read.
pub(super) fn read_as(wire: &Type) -> &Type {
    // Four bytes each, whatever they are called.
    if *wire == Type::OID_ARRAY { &Type::INT4_ARRAY } else { wire }
}

/// The types on the wire, in the order of the numbers.
pub(super) fn wire(types: &Types) -> PgWireResult<Vec<Type>> {
    let last = types.keys().next_back().copied().unwrap_or_default();
    let type_of = |number| types.get(&number).map_or(Type::TEXT, |known| known.wire.clone());
    Ok((1..=last).map(type_of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::parse_one;

    fn typed(sql: &str, declared: &[Option<Type>]) -> (Vec<Type>, String) {
        let Ok(mut statement) = parse_one(sql, 1_000) else { return (Vec::new(), String::new()) };
        let places = Places::of(&statement);
        let mut types = places.known(declared);
        places.complete(&mut types, |_| None);
        write(&mut statement, &types);
        (wire(&types).unwrap_or_default(), statement.to_string())
    }

    #[test]
    fn what_is_said_becomes_a_cast() {
        for (sql, declared, expected, written) in [
            ("SELECT $1", vec![], vec![Type::TEXT], "SELECT $1::TEXT"),
            ("SELECT $1", vec![Some(Type::INT2)], vec![Type::INT2], "SELECT $1::INT2"),
            ("SELECT $1::date", vec![], vec![Type::DATE], "SELECT $1::DATE::DATE"),
            (
                "SELECT CAST($1 AS numeric(20,3))",
                vec![Some(Type::NUMERIC)],
                vec![Type::NUMERIC],
                "SELECT CAST($1::NUMERIC(20,3) AS NUMERIC(20,3))",
            ),
            ("SELECT 1 LIMIT $2", vec![], vec![Type::TEXT, Type::INT8], "SELECT 1 LIMIT $2"),
            (
                "SELECT 1 WHERE 'a' = ANY($1)",
                vec![],
                vec![Type::TEXT_ARRAY],
                "SELECT 1 WHERE 'a' = ANY($1::TEXT[])",
            ),
            (
                "SELECT 1 WHERE 23 = ANY($1::oid[])",
                vec![],
                vec![Type::OID_ARRAY],
                "SELECT 1 WHERE 23 = ANY($1::INTEGER[]::oid[])",
            ),
            ("SELECT $1::regclass", vec![], vec![Type::TEXT], "SELECT $1::TEXT::REGCLASS"),
        ] {
            assert_eq!(typed(sql, &declared), (expected, written.to_owned()), "{sql}");
        }
    }
}
