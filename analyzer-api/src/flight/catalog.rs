//! Catalogs, schemas, tables and keys: read from the information schema by SQL, as any client may.

use std::sync::Arc;

use arrow_flight::sql::{
    CommandGetCatalogs, CommandGetDbSchemas, CommandGetPrimaryKeys, CommandGetTables,
};
use datafusion::arrow::array::{ArrayRef, AsArray, Int32Array, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use ledgerline_access::Principal;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::service::Service;
use super::{plain, status};
use crate::session::DATABASE;

/// Where our tables are.
const PUBLIC: &str = "public";
/// The kinds of tables, in the order of `CommandGetTableTypes`.
const TABLE_TYPES: [&str; 4] = ["SYSTEM TABLE", "SYSTEM VIEW", "TABLE", "VIEW"];

/// The engine's list leaves out the information schema itself.
const SCHEMAS: &str = "SELECT catalog_name, schema_name FROM information_schema.schemata \
    UNION SELECT table_catalog, table_schema FROM information_schema.tables ORDER BY 1, 2";
const TABLES: &str = "SELECT table_catalog, table_schema, table_name, \
    CASE WHEN table_schema = 'information_schema' THEN 'SYSTEM VIEW' \
    WHEN table_schema = 'pg_catalog' THEN 'SYSTEM TABLE' \
    WHEN table_type = 'VIEW' THEN 'VIEW' ELSE 'TABLE' END \
    FROM information_schema.tables ORDER BY table_catalog, table_schema, table_name";

/// One row of texts.
type Texts = Vec<String>;

fn fault(error: impl std::fmt::Display) -> Status {
    status::internal(&error)
}

/// The rows of a question whose columns are text. It is governed and recorded as any other.
async fn ask(service: &Service, principal: &Principal, sql: &str) -> Result<Vec<Texts>, Status> {
    let question = service.question(principal, sql, CancellationToken::new());
    let answer = service.state.ask(question).await;
    let mut answer = answer.map_err(|error| status::of(&error))?;
    let mut rows = Vec::new();
    while let Some(batch) = answer.next().await {
        let batch = batch.map_err(|error| status::of(&error))?;
        let columns = batch.columns().iter().map(|column| cast(column, &DataType::Utf8));
        let columns = columns.collect::<Result<Vec<_>, _>>().map_err(fault)?;
        for row in 0..batch.num_rows() {
            let texts =
                columns.iter().map(|column| column.as_string::<i32>().value(row).to_owned());
            rows.push(texts.collect());
        }
    }
    Ok(rows)
}

/// `CommandGetCatalogs`: the one database of the principal.
pub(super) async fn catalogs(
    service: &Service,
    principal: &Principal,
    query: CommandGetCatalogs,
) -> Result<RecordBatch, Status> {
    let mut builder = query.into_builder();
    let mut names: Vec<String> =
        ask(service, principal, SCHEMAS).await?.into_iter().filter_map(first).collect();
    names.dedup();
    for name in names {
        builder.append(name);
    }
    builder.build().map_err(fault)
}

fn first(row: Texts) -> Option<String> {
    row.into_iter().next()
}

/// `CommandGetDbSchemas`.
pub(super) async fn schemas(
    service: &Service,
    principal: &Principal,
    query: CommandGetDbSchemas,
) -> Result<RecordBatch, Status> {
    let mut builder = query.into_builder();
    for row in ask(service, principal, SCHEMAS).await? {
        if let [catalog, schema] = row.as_slice() {
            builder.append(catalog, schema);
        }
    }
    builder.build().map_err(fault)
}

/// `CommandGetTables`.
pub(super) async fn tables(
    service: &Service,
    principal: &Principal,
    query: CommandGetTables,
) -> Result<RecordBatch, Status> {
    let with_columns = query.include_schema;
    // First which tables are meant: only their columns are looked up.
    let names_only = CommandGetTables { include_schema: false, ..query.clone() };
    let mut builder = names_only.into_builder();
    let none = Schema::empty();
    for row in ask(service, principal, TABLES).await? {
        if let [catalog, schema, table, kind] = row.as_slice() {
            builder.append(catalog, schema, table, kind, &none).map_err(fault)?;
        }
    }
    let names = builder.build().map_err(fault)?;
    if !with_columns {
        return Ok(names);
    }
    let meant = (0..names.num_rows()).map(|row| {
        let text = |column: usize| names.column(column).as_string::<i32>().value(row).to_owned();
        (text(0), text(1), text(2), text(3))
    });
    let meant: Vec<_> = meant.collect();
    let wanted = meant.iter().map(|(_, schema, table, _)| (schema.clone(), table.clone()));
    let columns = service.state.columns(principal, wanted.collect()).await;
    let columns = columns.map_err(|error| status::of(&error))?;
    let mut builder = query.into_builder();
    for ((catalog, schema, table, kind), columns) in meant.iter().zip(columns) {
        let columns = plain::schema(&columns);
        builder.append(catalog, schema, table, kind, &columns).map_err(fault)?;
    }
    builder.build().map_err(fault)
}

/// `CommandGetTableTypes`.
pub(super) fn table_types() -> Result<RecordBatch, Status> {
    let schema = Schema::new(vec![Field::new("table_type", DataType::Utf8, false)]);
    let types: ArrayRef = Arc::new(StringArray::from_iter_values(TABLE_TYPES));
    RecordBatch::try_new(Arc::new(schema), vec![types]).map_err(fault)
}

/// Columns of `CommandGetPrimaryKeys`, as `FlightSql.proto` says.
pub(super) fn primary_keys_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("catalog_name", DataType::Utf8, true),
        Field::new("db_schema_name", DataType::Utf8, true),
        Field::new("table_name", DataType::Utf8, false),
        Field::new("column_name", DataType::Utf8, false),
        Field::new("key_sequence", DataType::Int32, false),
        Field::new("key_name", DataType::Utf8, true),
    ]))
}

/// `CommandGetPrimaryKeys`: the columns that tell the rows of a table apart.
pub(super) async fn primary_keys(
    service: &Service,
    principal: &Principal,
    query: &CommandGetPrimaryKeys,
) -> Result<RecordBatch, Status> {
    let here = query.catalog.as_deref().is_none_or(|it| it == DATABASE)
        && query.db_schema.as_deref().is_none_or(|it| it == PUBLIC);
    // Whoever does not see a table does not see its key.
    let seen = ask(service, principal, TABLES).await?;
    let meant = |row: &Texts| matches!(row.as_slice(), [_, schema, table, _] if schema == PUBLIC && *table == query.table);
    let seen = here && seen.iter().any(meant);
    let snapshot = service.state.admit(principal).await;
    let snapshot = snapshot.map_err(|error| status::of(&error))?;
    let table = snapshot.tables.get(query.table.as_str()).filter(|_| seen);
    let key = table.map_or(&[][..], |table| table.def.key);
    let same = |text: &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, key.len())))
    };
    let name = format!("{}_pkey", query.table);
    let sequence = (1..).take(key.len());
    let columns = vec![
        same(DATABASE),
        same(PUBLIC),
        same(&query.table),
        Arc::new(StringArray::from_iter_values(key)) as ArrayRef,
        Arc::new(Int32Array::from_iter_values(sequence)),
        same(&name),
    ];
    RecordBatch::try_new(primary_keys_schema(), columns).map_err(fault)
}

/// Columns of the commands about foreign keys, as `FlightSql.proto` says. Our tables have none.
pub(super) fn foreign_keys_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("pk_catalog_name", DataType::Utf8, true),
        Field::new("pk_db_schema_name", DataType::Utf8, true),
        Field::new("pk_table_name", DataType::Utf8, false),
        Field::new("pk_column_name", DataType::Utf8, false),
        Field::new("fk_catalog_name", DataType::Utf8, true),
        Field::new("fk_db_schema_name", DataType::Utf8, true),
        Field::new("fk_table_name", DataType::Utf8, false),
        Field::new("fk_column_name", DataType::Utf8, false),
        Field::new("key_sequence", DataType::Int32, false),
        Field::new("fk_key_name", DataType::Utf8, true),
        Field::new("pk_key_name", DataType::Utf8, true),
        Field::new("update_rule", DataType::UInt8, false),
        Field::new("delete_rule", DataType::UInt8, false),
    ]))
}
