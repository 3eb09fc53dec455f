//! Functions over arrays, JSON and bytes that PostgreSQL has and the engine lacks, or has otherwise.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Int32Array, Int64Array, ListArray,
    StringArray, StructArray,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::exec_err;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

/// Name of the function behind `x = ANY (array)`.
pub(crate) const ELEMENT_OF: &str = "element_of";
/// Name of the function behind a cast to `bytea`.
pub(crate) const BYTEA_IN: &str = "bytea_in";
/// Name of the function that numbers the elements of an array.
pub(crate) const EXPAND_ARRAY: &str = "_pg_expandarray";

/// Every function of this module.
pub(crate) fn all() -> Vec<ScalarUDF> {
    [
        (ELEMENT_OF, 2, Kind::ElementOf),
        (BYTEA_IN, 1, Kind::Bytes),
        (EXPAND_ARRAY, 1, Kind::Expand),
        ("array_upper", 2, Kind::Upper),
        ("json_build_object", 0, Kind::Json),
        ("jsonb_build_object", 0, Kind::Json),
    ]
    .map(|(name, count, kind)| {
        let signature = match count {
            0 => Signature::variadic_any(Volatility::Immutable),
            count => Signature::any(count, Volatility::Immutable),
        };
        ScalarUDF::from(OverValues { name, kind, signature })
    })
    .to_vec()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    ElementOf,
    Bytes,
    Expand,
    Upper,
    Json,
}

struct OverValues {
    name: &'static str,
    kind: Kind,
    signature: Signature,
}

impl fmt::Debug for OverValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for OverValues {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for OverValues {}

impl Hash for OverValues {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// An element with its number, as `information_schema._pg_expandarray` gives it.
fn numbered(element: &DataType) -> Fields {
    Fields::from(vec![
        Field::new("x", element.clone(), true),
        Field::new("n", DataType::Int32, true),
    ])
}

impl ScalarUDFImpl for OverValues {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match self.kind {
            Kind::ElementOf => DataType::Boolean,
            Kind::Bytes => DataType::Binary,
            // The table function over indexes wants it wide.
            Kind::Upper => DataType::Int64,
            Kind::Json => DataType::Utf8,
            Kind::Expand => match types {
                [DataType::List(element)] => {
                    DataType::new_list(DataType::Struct(numbered(element.data_type())), true)
                }
                _ => return exec_err!("function {EXPAND_ARRAY} takes an array"),
            },
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let columns =
            args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<ArrayRef>>>()?;
        let array: ArrayRef = match (self.kind, columns.as_slice()) {
            (Kind::ElementOf, [value, array]) => Arc::new(element_of(value, array)?),
            (Kind::Bytes, [value]) => bytes(value)?,
            (Kind::Expand, [array]) => Arc::new(expand(array)?),
            (Kind::Upper, [array, dimension]) => Arc::new(upper(array, dimension)?),
            (Kind::Json, columns) => Arc::new(json(columns, rows)?),
            _ => return exec_err!("function {} was given {} arguments", self.name, columns.len()),
        };
        Ok(ColumnarValue::Array(array))
    }

    /// A constant array is a list: the engine can use it to leave files out.
    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        if self.kind == Kind::ElementOf
            && let [value, Expr::Literal(ScalarValue::List(array), _)] = args.as_slice()
            && array.is_valid(0)
            && !array.value(0).is_empty()
        {
            let (elements, of_value) = (array.value(0), info.get_data_type(value)?);
            let list = (0..elements.len())
                .map(|at| {
                    let element = ScalarValue::try_from_array(&elements, at)?;
                    Ok(Expr::Literal(element.cast_to(&of_value)?, None))
                })
                .collect::<Result<Vec<_>>>()?;
            let inside = InList { expr: Box::new(value.clone()), list, negated: false };
            return Ok(ExprSimplifyResult::Simplified(Expr::InList(inside)));
        }
        Ok(ExprSimplifyResult::Original(args))
    }
}

/// `x = ANY (array)`: NULL if either is, or if it is not found and the array has a NULL.
fn element_of(values: &ArrayRef, arrays: &ArrayRef) -> Result<BooleanArray> {
    let DataType::List(element) = arrays.data_type() else {
        return as_text(values, arrays);
    };
    // Both in the form of an element, then as text: equal values have equal texts.
    let values = cast(&cast(values, element.data_type())?, &DataType::Utf8)?;
    let values = values.as_string::<i32>();
    let arrays = arrays.as_list::<i32>();
    let elements = cast(arrays.values(), &DataType::Utf8)?;
    let elements = elements.as_string::<i32>();
    let found = (0..values.len()).map(|row| {
        if values.is_null(row) || arrays.is_null(row) {
            return None;
        }
        let offsets = arrays.value_offsets();
        let place = |at: usize| offsets.get(at).and_then(|it| usize::try_from(*it).ok());
        let (from, to) = (place(row)?, place(row + 1)?);
        let mut unknown = false;
        for at in from..to {
            if elements.is_null(at) {
                unknown = true;
            } else if elements.value(at) == values.value(row) {
                return Some(true);
            }
        }
        (!unknown).then_some(false)
    });
    Ok(BooleanArray::from_iter(found))
}

/// Some arrays of the catalogs are kept as their text, `{1,2}` or `1 2`.
fn as_text(values: &ArrayRef, arrays: &ArrayRef) -> Result<BooleanArray> {
    let (values, arrays) = (cast(values, &DataType::Utf8)?, cast(arrays, &DataType::Utf8)?);
    let (values, arrays) = (values.as_string::<i32>(), arrays.as_string::<i32>());
    let found = (0..values.len()).map(|row| {
        if values.is_null(row) || arrays.is_null(row) {
            return None;
        }
        let inner = arrays.value(row).trim_matches(|c| "{}[]".contains(c));
        Some(inner.split([',', ' ']).any(|one| one.trim_matches('"') == values.value(row)))
    });
    Ok(BooleanArray::from_iter(found))
}

/// Bytes from PostgreSQL's texts of them: `\x00ff`, or characters with `\\` and `\ooo` among them.
fn bytes(values: &ArrayRef) -> Result<ArrayRef> {
    if matches!(
        values.data_type(),
        DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_)
    ) {
        return Ok(cast(values, &DataType::Binary)?);
    }
    let texts = cast(values, &DataType::Utf8)?;
    let parsed = texts
        .as_string::<i32>()
        .iter()
        .map(|text| text.map(parse_bytes).transpose())
        .collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(BinaryArray::from_iter(parsed)))
}

fn parse_bytes(text: &str) -> Result<Vec<u8>> {
    let bad = || DataFusionError::Execution("invalid input syntax for type bytea".to_owned());
    if let Some(digits) = text.strip_prefix("\\x") {
        let digits: Vec<u8> = digits.bytes().filter(|it| !it.is_ascii_whitespace()).collect();
        let (pairs, []) = digits.as_chunks::<2>() else { return Err(bad()) };
        let pair = |pair: &[u8; 2]| {
            std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())
        };
        return pairs.iter().map(pair).collect::<Option<_>>().ok_or_else(bad);
    }
    let mut rest = text.as_bytes();
    let mut parsed = Vec::with_capacity(rest.len());
    loop {
        match rest {
            [] => return Ok(parsed),
            [b'\\', b'\\', after @ ..] => {
                parsed.push(b'\\');
                rest = after;
            }
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                parsed.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            [b'\\', ..] => return Err(bad()),
            [plain, after @ ..] => {
                parsed.push(*plain);
                rest = after;
            }
        }
    }
}

fn expand(arrays: &ArrayRef) -> Result<ListArray> {
    let DataType::List(element) = arrays.data_type() else {
        return exec_err!("function {EXPAND_ARRAY} takes an array");
    };
    let arrays = arrays.as_list::<i32>();
    let offsets = arrays.value_offsets();
    let first = offsets.first().copied().unwrap_or_default();
    let last = offsets.last().copied().unwrap_or_default();
    let length = |from: i32, to: i32| usize::try_from(to - from).unwrap_or_default();
    let elements =
        arrays.values().slice(usize::try_from(first).unwrap_or_default(), length(first, last));
    let lengths: Vec<usize> = offsets.windows(2).map(|it| length(it[0], it[1])).collect();
    let numbers = lengths.iter().flat_map(|length| (1_i32..).take(*length));
    let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(numbers));
    let fields = numbered(element.data_type());
    let rows = StructArray::try_new(fields.clone(), vec![elements, numbers], None)?;
    let field = Arc::new(Field::new_list_field(DataType::Struct(fields), true));
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(ListArray::try_new(field, offsets, Arc::new(rows), arrays.nulls().cloned())?)
}

/// The last index of an array: its length, as indexes begin at 1. An empty one has none.
fn upper(arrays: &ArrayRef, dimensions: &ArrayRef) -> Result<Int64Array> {
    let dimensions = cast(dimensions, &DataType::Int32)?;
    let dimensions = dimensions.as_primitive::<datafusion::arrow::datatypes::Int32Type>();
    let lengths: Vec<Option<i32>> = match arrays.data_type() {
        DataType::List(_) => {
            let arrays = arrays.as_list::<i32>();
            let length = |row| arrays.is_valid(row).then(|| arrays.value_length(row));
            (0..arrays.len()).map(length).collect()
        }
        _ => {
            let texts = cast(arrays, &DataType::Utf8)?;
            let count = |text: &str| {
                let parts = text.trim_matches(|c| "{}[]".contains(c)).split([',', ' ']);
                i32::try_from(parts.filter(|it| !it.is_empty()).count()).unwrap_or(i32::MAX)
            };
            texts.as_string::<i32>().iter().map(|text| text.map(count)).collect()
        }
    };
    let first = |row: usize| dimensions.is_valid(row) && dimensions.value(row) == 1;
    Ok(Int64Array::from_iter(
        lengths
            .into_iter()
            .enumerate()
            .map(|(row, length)| length.filter(|length| *length > 0 && first(row)).map(i64::from)),
    ))
}

/// `json_build_object(key, value, …)` as text.
fn json(columns: &[ArrayRef], rows: usize) -> Result<StringArray> {
    let (pairs, []) = columns.as_chunks::<2>() else {
        return exec_err!("json_build_object takes pairs of a key and a value");
    };
    let options = FormatOptions::default();
    let mut texts = Vec::with_capacity(rows);
    let keys = pairs.iter().map(|[key, _]| cast(key, &DataType::Utf8));
    let keys = keys.collect::<std::result::Result<Vec<_>, _>>()?;
    let values = pairs.iter().map(|[_, value]| ArrayFormatter::try_new(value, &options));
    let values = values.collect::<std::result::Result<Vec<_>, _>>()?;
    for row in 0..rows {
        let mut members = Vec::with_capacity(pairs.len());
        for (at, [_, value]) in pairs.iter().enumerate() {
            let key = keys.get(at).map(|keys| keys.as_string::<i32>());
            let Some(key) = key.filter(|key| key.is_valid(row)) else {
                return exec_err!("a key of json_build_object is null");
            };
            let text = values.get(at).map(|it| it.value(row).to_string()).unwrap_or_default();
            let plain = value.data_type().is_numeric() || *value.data_type() == DataType::Boolean;
            let shown = match () {
                () if value.is_null(row) => "null".to_owned(),
                () if plain => text,
                () => serde_json::Value::String(text).to_string(),
            };
            let key = serde_json::Value::String(key.value(row).to_owned());
            members.push(format!("{key} : {shown}"));
        }
        texts.push(format!("{{{}}}", members.join(", ")));
    }
    Ok(StringArray::from(texts))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Int64Type;

    use super::*;

    #[test]
    fn membership_is_of_three_values() -> Result<()> {
        let one = || vec![Some(1_i64), Some(2)];
        let lists = [Some(one()), Some(vec![Some(2), None]), Some(vec![]), None, Some(one())];
        let arrays: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists));
        let values: ArrayRef =
            Arc::new(Int32Array::from(vec![Some(1), Some(1), Some(1), Some(1), None]));
        let found: Vec<_> = element_of(&values, &arrays)?.iter().collect();
        assert_eq!(found, [Some(true), None, Some(false), None, None]);
        Ok(())
    }

    #[test]
    fn bytes_are_read_from_both_forms() {
        for (text, expected) in [
            ("\\x00fF", Some(vec![0, 255])),
            ("\\x", Some(vec![])),
            ("a\\\\b\\001", Some(vec![b'a', b'\\', b'b', 1])),
            ("\\x0", None),
            ("\\xzz", None),
            ("\\9", None),
        ] {
            assert_eq!(parse_bytes(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn elements_are_numbered_from_one() -> Result<()> {
        let lists = [Some(vec![Some(7_i64), Some(8)]), None, Some(vec![Some(9)])];
        let arrays: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists));
        let expanded = expand(&arrays.slice(1, 2))?;
        assert!(expanded.is_null(0));
        let only = expanded.value(1);
        let only = only.as_struct();
        assert_eq!(only.column(0).as_primitive::<Int64Type>().values(), &[9]);
        assert_eq!(
            only.column(1).as_primitive::<datafusion::arrow::datatypes::Int32Type>().values(),
            &[1]
        );
        Ok(())
    }
}
