//! Casts of arrays of ids to the names of their types.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array as _, AsArray as _, ListBuilder, StringBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::exec_err;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::statics::StaticCatalog;

/// Name of the function behind a cast to `regtype[]`.
pub(crate) const TYPE_NAMES: &str = "regtypes_out";

/// The function behind a cast to `regtype[]`.
pub(crate) fn type_names(statics: &Arc<StaticCatalog>) -> ScalarUDF {
    let signature = Signature::any(1, Volatility::Immutable);
    ScalarUDF::from(TypeNames { statics: Arc::clone(statics), signature })
}

struct TypeNames {
    statics: Arc<StaticCatalog>,
    signature: Signature,
}

impl fmt::Debug for TypeNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(TYPE_NAMES)
    }
}

// One catalog serves the engine, so the function is the same wherever it is.
impl PartialEq for TypeNames {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for TypeNames {}

impl Hash for TypeNames {
    fn hash<H: Hasher>(&self, state: &mut H) {
        TYPE_NAMES.hash(state);
    }
}

impl TypeNames {
    fn shown(&self, element: &str) -> String {
        match element.parse::<i64>() {
            // Id 0 stands for no type.
            Ok(0) => "-".to_owned(),
            Ok(oid) => self.statics.type_name(oid).unwrap_or_else(|| oid.to_string()),
            Err(_) => element.to_owned(),
        }
    }
}

impl ScalarUDFImpl for TypeNames {
    fn name(&self) -> &str {
        TYPE_NAMES
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::new_list(DataType::Utf8, true))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = args.args.as_slice() else {
            return exec_err!("a cast to regtype[] takes one value");
        };
        let arrays = value.to_array(args.number_rows)?;
        let mut names = ListBuilder::new(StringBuilder::new());
        if let DataType::List(_) = arrays.data_type() {
            for row in arrays.as_list::<i32>().iter() {
                let Some(elements) = row else {
                    names.append(false);
                    continue;
                };
                let elements = cast(&elements, &DataType::Utf8)?;
                for element in elements.as_string::<i32>() {
                    names.values().append_option(element.map(|it| self.shown(it)));
                }
                names.append(true);
            }
        } else {
            // Arrays of the catalogs are kept as their text: `{1,2}`, `[1, 2]` or `1 2`.
            let texts = cast(&arrays, &DataType::Utf8)?;
            for text in texts.as_string::<i32>() {
                let inner = text.map(|text| text.trim_matches(|c| "{}[]".contains(c)));
                let elements = inner.iter().flat_map(|inner| inner.split([',', ' ']));
                for element in elements.filter(|it| !it.is_empty()) {
                    names.values().append_value(self.shown(element.trim_matches('"')));
                }
                names.append(text.is_some());
            }
        }
        Ok(ColumnarValue::Array(Arc::new(names.finish())))
    }
}
