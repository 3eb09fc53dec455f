//! Catalog tables that are the same in every installation, and the names of types.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, new_null_array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::{CatalogProviderList, MemoryCatalogProviderList};
use datafusion::error::Result;
use datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_pg_catalog::pg_catalog::{
    PG_CATALOG_TABLES, PgCatalogSchemaProvider, PgCatalogStaticTables, PgCatalogTable,
};

/// A table as schema and rows.
pub(crate) type Table = (SchemaRef, Vec<RecordBatch>);

/// The tables, loaded once for the engine.
pub(crate) struct StaticCatalog {
    tables: BTreeMap<String, Table>,
    type_names: BTreeMap<i64, String>,
    /// Result and argument types of built-in functions.
    functions: BTreeMap<i64, (i64, Vec<i64>)>,
    function_names: BTreeMap<String, i64>,
    operator_names: BTreeMap<i64, String>,
    /// Types of the sides of operators; 0 where there is none.
    operator_sides: BTreeMap<i64, (i64, i64)>,
}

impl fmt::Debug for StaticCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StaticCatalog of {} tables", self.tables.len())
    }
}

impl StaticCatalog {
    pub(crate) fn load() -> Result<Self> {
        let nothing: Arc<dyn CatalogProviderList> = Arc::new(MemoryCatalogProviderList::new());
        let exports = PgCatalogSchemaProvider::try_new(
            nothing,
            Arc::new(PgCatalogStaticTables::try_new()?),
            EmptyContextProvider,
        )?;
        let mut tables = BTreeMap::new();
        for name in PG_CATALOG_TABLES {
            let table = match exports.build_table_by_name(name)? {
                Some(PgCatalogTable::Static(table)) => plain(&table.schema(), table.data())?,
                Some(PgCatalogTable::Empty(table)) => plain(&table.schema(), &[])?,
                // These describe the tables at hand; ours are made from their definitions.
                Some(PgCatalogTable::Dynamic(_)) | None => continue,
            };
            tables.insert((*name).to_owned(), table);
        }
        let type_names = names(tables.get("pg_type"), "typname")?;
        let function_names = names(tables.get("pg_proc"), "proname")?;
        let function_names = function_names.into_iter().map(|(oid, name)| (name, oid)).collect();
        let functions = functions(tables.get("pg_proc"))?;
        let operator_names = names(tables.get("pg_operator"), "oprname")?;
        let operator_sides = sides(tables.get("pg_operator"))?;
        Ok(Self { tables, type_names, functions, function_names, operator_names, operator_sides })
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.tables.keys()
    }

    pub(crate) fn table(&self, name: &str) -> Option<Table> {
        self.tables.get(name).cloned()
    }

    /// The name of a type as SQL writes it (`bigint`, not `int8`).
    pub(crate) fn type_name(&self, oid: i64) -> Option<String> {
        let name = self.type_names.get(&oid)?;
        Some(match name.strip_prefix('_') {
            Some(element) => format!("{}[]", sql_name(element)),
            None => sql_name(name).to_owned(),
        })
    }

    /// The id of a built-in function; of several with the name, the last.
    pub(crate) fn function_named(&self, name: &str) -> Option<i64> {
        self.function_names.get(name).copied()
    }

    /// An operator as `regoper` shows it, or with the types of its sides as `regoperator` does.
    pub(crate) fn operator(&self, oid: i64, with_types: bool) -> Option<String> {
        if oid == 0 {
            return Some("0".to_owned());
        }
        let name = self.operator_names.get(&oid)?;
        if !with_types {
            let count = self.operator_names.values().filter(|known| *known == name).count();
            // A name that several have is not found without its schema.
            let schema = if count > 1 { "pg_catalog." } else { "" };
            return Some(format!("{schema}{name}"));
        }
        let (left, right) = self.operator_sides.get(&oid)?;
        let side = |oid: i64| match oid {
            0 => Some("NONE".to_owned()),
            oid => self.type_name(oid),
        };
        Some(format!("{name}({},{})", side(*left)?, side(*right)?))
    }

    /// The result type of a built-in function, as SQL writes it.
    pub(crate) fn function_result(&self, oid: i64) -> Option<String> {
        self.type_name(self.functions.get(&oid)?.0)
    }

    /// The argument types of a built-in function, as SQL writes them.
    pub(crate) fn function_arguments(&self, oid: i64) -> Option<String> {
        let (_, arguments) = self.functions.get(&oid)?;
        let names = arguments.iter().map(|oid| self.type_name(*oid).unwrap_or_default());
        Some(names.collect::<Vec<_>>().join(", "))
    }

    /// The id of a type by either of its names.
    pub(crate) fn type_oid(&self, name: &str) -> Option<i64> {
        self.type_names
            .iter()
            .find(|(_, known)| *known == name || sql_name(known) == name)
            .map(|(oid, _)| *oid)
    }
}

fn sql_name(name: &str) -> &str {
    match name {
        "int2" => "smallint",
        "int4" => "integer",
        "int8" => "bigint",
        "float4" => "real",
        "float8" => "double precision",
        "bool" => "boolean",
        "varchar" => "character varying",
        "bpchar" => "character",
        "char" => "\"char\"",
        "timestamp" => "timestamp without time zone",
        "timestamptz" => "timestamp with time zone",
        "time" => "time without time zone",
        "timetz" => "time with time zone",
        other => other,
    }
}

/// Without field metadata and with every column nullable, so that plans over it stay plain.
fn plain(schema: &Schema, batches: &[RecordBatch]) -> Result<Table> {
    let fields = schema.fields().iter().enumerate().map(|(index, field)| {
        let data_type = if is_empty_list(field.name(), index, batches) {
            DataType::new_list(DataType::Utf8, true)
        } else {
            field.data_type().clone()
        };
        Field::new(field.name(), data_type, true)
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let batches = batches.iter().map(|batch| {
        let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| {
            if column.data_type() == field.data_type() {
                Arc::clone(column)
            } else {
                new_null_array(field.data_type(), column.len())
            }
        });
        Ok(RecordBatch::try_new(Arc::clone(&schema), columns.collect())?)
    });
    let batches = batches.collect::<Result<Vec<_>>>()?;
    Ok((schema, batches))
}

/// Whether a column is a list that has no values here; the export has lists as text, which array
/// functions do not take. Grants (`…acl`) of the export name roles of the installation it was made from;
/// there are none beside the defaults here, which PostgreSQL writes as null. Settings (`…config`) count
/// only where there are none. Nor are there event triggers, whose tags are a list.
fn is_empty_list(name: &str, index: usize, batches: &[RecordBatch]) -> bool {
    let null = |column: &ArrayRef| column.null_count() == column.len();
    let none = || batches.iter().all(|batch| batch.columns().get(index).is_some_and(null));
    name.ends_with("acl") || name == "evttags" || (name.ends_with("config") && none())
}

/// Names by id.
fn names(table: Option<&Table>, column: &str) -> Result<BTreeMap<i64, String>> {
    let mut names = BTreeMap::new();
    for batch in table.iter().flat_map(|(_, batches)| batches) {
        let (Some(oids), Some(texts)) = (batch.column_by_name("oid"), batch.column_by_name(column))
        else {
            continue;
        };
        let (oids, texts) = (cast(oids, &DataType::Int64)?, cast(texts, &DataType::Utf8)?);
        let (oids, texts) = (oids.as_primitive::<Int64Type>(), texts.as_string::<i32>());
        for row in 0..batch.num_rows() {
            if oids.is_valid(row) && texts.is_valid(row) {
                names.insert(oids.value(row), texts.value(row).to_owned());
            }
        }
    }
    Ok(names)
}

fn sides(table: Option<&Table>) -> Result<BTreeMap<i64, (i64, i64)>> {
    let mut found = BTreeMap::new();
    for batch in table.iter().flat_map(|(_, batches)| batches) {
        let column = |name: &str| -> Result<Option<ArrayRef>> {
            Ok(batch.column_by_name(name).map(|it| cast(it, &DataType::Int64)).transpose()?)
        };
        let (Some(oids), Some(left), Some(right)) =
            (column("oid")?, column("oprleft")?, column("oprright")?)
        else {
            continue;
        };
        let numbers = |array: &ArrayRef| array.as_primitive::<Int64Type>().values().to_vec();
        let sides = numbers(&left).into_iter().zip(numbers(&right));
        found.extend(numbers(&oids).into_iter().zip(sides));
    }
    Ok(found)
}

fn functions(table: Option<&Table>) -> Result<BTreeMap<i64, (i64, Vec<i64>)>> {
    let mut found = BTreeMap::new();
    for batch in table.iter().flat_map(|(_, batches)| batches) {
        let (Some(oids), Some(results), Some(arguments)) = (
            batch.column_by_name("oid"),
            batch.column_by_name("prorettype"),
            batch.column_by_name("proargtypes"),
        ) else {
            continue;
        };
        let (oids, results) = (cast(oids, &DataType::Int64)?, cast(results, &DataType::Int64)?);
        let (oids, results) =
            (oids.as_primitive::<Int64Type>(), results.as_primitive::<Int64Type>());
        // An `oidvector` is a list or its text, `23 25`: either way its digits are the ids.
        let arguments = cast(arguments, &DataType::Utf8)?;
        let arguments = arguments.as_string::<i32>();
        for row in 0..batch.num_rows() {
            let ids = if arguments.is_valid(row) { arguments.value(row) } else { "" };
            let ids = ids.split(|c: char| !c.is_ascii_digit()).filter_map(|id| id.parse().ok());
            if oids.is_valid(row) && results.is_valid(row) {
                found.insert(oids.value(row), (results.value(row), ids.collect()));
            }
        }
    }
    Ok(found)
}
