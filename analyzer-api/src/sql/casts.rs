//! Casts between ids of the catalogs and names, and ids that are compared with them.

use datafusion::sql::sqlparser::ast::{
    Array, ArrayElemTypeDef, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments,
    ObjectNamePart, Value,
};

use super::array_text;
use super::rewrite::{array_element, call, take};
use crate::pg::oids::TYPE_NAMES;

/// Columns of the catalogs that are ids of functions and are kept as their names, as they are shown.
const FUNCTION_COLUMNS: [&str; 9] = [
    "amproc",
    "typanalyze",
    "typinput",
    "typmodin",
    "typmodout",
    "typoutput",
    "typreceive",
    "typsend",
    "typsubscript",
];

/// Such a column is compared with an id by its id.
pub(super) fn by_id(column: &mut Expr, other: &Expr) {
    let name = match &*column {
        Expr::Identifier(name) => name,
        Expr::CompoundIdentifier(parts) => match parts.last() {
            Some(name) => name,
            None => return,
        },
        _ => return,
    };
    let is_id = match other {
        Expr::Identifier(name) => name.value.eq_ignore_ascii_case("oid"),
        Expr::CompoundIdentifier(parts) => {
            parts.last().is_some_and(|name| name.value.eq_ignore_ascii_case("oid"))
        }
        Expr::Value(value) => matches!(value.value, Value::Number(..)),
        // `'array_in'::regproc`, by now.
        Expr::Function(function) => function.name.to_string() == "regproc_in",
        _ => false,
    };
    if is_id && FUNCTION_COLUMNS.contains(&name.value.to_ascii_lowercase().as_str()) {
        *column = call("regproc_in", vec![take(column)]);
    }
}

/// `x::regtype = 'text'::regtype` compares ids: the left one is not shown as a name.
pub(super) fn both_ids(shown: &mut Expr, id: &Expr) {
    let (Expr::Function(out), Expr::Function(of)) = (&mut *shown, id) else { return };
    let (out_name, of_name) = (out.name.to_string(), of.name.to_string());
    let kind = out_name.strip_suffix("_out").filter(|kind| kind.starts_with("reg"));
    if kind.is_none() || kind != of_name.strip_suffix("_in") {
        return;
    }
    if let FunctionArguments::List(list) = &mut out.args
        && let [FunctionArg::Unnamed(FunctionArgExpr::Expr(value))] = list.args.as_mut_slice()
    {
        *shown = take(value);
    }
}

/// Casts between catalog ids and names, and casts to types that only differ in name.
pub(super) fn catalog_cast(expr: &mut Expr, data_type: &mut DataType) -> Option<Expr> {
    known_type(data_type);
    if let DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) = data_type
        && type_name(element).as_deref() == Some("regtype")
    {
        return Some(call(TYPE_NAMES, vec![take(expr)]));
    }
    if let (DataType::Array(_), Expr::Value(value)) = (&*data_type, &*expr)
        && let Value::SingleQuotedString(text) = &value.value
        && let Some(elements) = array_text::elements(text)
    {
        let elem = elements.into_iter().map(array_element).collect();
        *expr = Expr::Array(Array { elem, named: true });
    }
    // Text, for all that can be seen here; anything else is an id.
    let literal = |expr: &Expr| match expr {
        Expr::Value(value) => {
            matches!(value.value, Value::SingleQuotedString(_) | Value::Placeholder(_))
        }
        Expr::Cast { data_type, .. } => matches!(
            data_type,
            DataType::Text | DataType::Varchar(_) | DataType::CharacterVarying(_)
        ),
        _ => false,
    };
    let kind = type_name(data_type)?;
    match kind.as_str() {
        "regclass" | "regtype" | "regnamespace" | "regrole" | "regproc" | "regprocedure"
        | "regoper" | "regoperator" | "regcollation" => {
            let direction = if literal(expr) { "in" } else { "out" };
            Some(call(&format!("{kind}_{direction}"), vec![take(expr)]))
        }
        _ => {
            *data_type = plain_type(&kind)?;
            // `'x'::regclass::oid` is the id already; `c.oid::regclass::oid` went through its name.
            None
        }
    }
}

/// Lower-case last part of a type name that the parser does not know itself, or of `regclass`.
fn type_name(data_type: &mut DataType) -> Option<String> {
    match data_type {
        DataType::Custom(name, arguments) if arguments.is_empty() => match name.0.last()? {
            ObjectNamePart::Identifier(ident) => Some(ident.value.to_ascii_lowercase()),
            ObjectNamePart::Function(_) => None,
        },
        DataType::Regclass => Some("regclass".to_owned()),
        DataType::JSON | DataType::JSONB => Some("text".to_owned()),
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) => {
            if let Some(plain) = type_name(element).as_deref().and_then(plain_type) {
                **element = plain;
            }
            None
        }
        _ => None,
    }
}

/// Other names of types that the planner knows. PostgreSQL has no unsigned numbers: the word is a column's name there.
fn known_type(data_type: &mut DataType) {
    *data_type = match data_type {
        DataType::CharacterVarying(length) | DataType::CharVarying(length) => {
            DataType::Varchar(*length)
        }
        DataType::Character(length) => DataType::Char(*length),
        DataType::SmallIntUnsigned(_) => DataType::SmallInt(None),
        DataType::IntUnsigned(_) | DataType::IntegerUnsigned(_) => DataType::Integer(None),
        DataType::BigIntUnsigned(_) => DataType::BigInt(None),
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) => {
            return known_type(element);
        }
        _ => return,
    };
}

fn plain_type(name: &str) -> Option<DataType> {
    Some(match name {
        "text" | "name" | "char" | "bpchar" | "varchar" | "json" | "jsonb" | "unknown"
        | "cstring" | "uuid" | "inet" | "aclitem" => DataType::Text,
        "oid" | "xid" | "cid" | "int4" | "integer" => DataType::Integer(None),
        "int2" | "smallint" => DataType::SmallInt(None),
        "int8" | "bigint" => DataType::BigInt(None),
        "float4" => DataType::Real,
        "float8" => DataType::DoublePrecision,
        "bool" | "boolean" => DataType::Boolean,
        "date" => DataType::Date,
        _ => return None,
    })
}
