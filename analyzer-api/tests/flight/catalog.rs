//! What there is: catalogs, schemas, tables, keys, types, abilities.

use arrow_flight::IpcMessage;
use arrow_flight::sql::{
    CommandGetCatalogs, CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys,
    CommandGetImportedKeys, CommandGetPrimaryKeys, CommandGetSqlInfo, CommandGetTableTypes,
    CommandGetTables, CommandGetXdbcTypeInfo, ProstMessageExt, SqlInfo, XdbcDataType,
};
use datafusion::arrow::array::{Array as _, AsArray as _};
use datafusion::arrow::datatypes::{DataType, Int32Type, Schema, UInt32Type};
use datafusion::arrow::record_batch::RecordBatch;
use futures::TryStreamExt;
use ledgerline_schemas::Event;

use crate::server::{Caller, server, ticket};
use crate::support::ACME;

/// What a command answers, held against what it announced.
async fn ask(caller: &Caller, command: impl ProstMessageExt) -> RecordBatch {
    let info = caller.info_of(command).await.unwrap();
    let announced = info.clone().try_decode_schema().unwrap();
    let answered = caller.fetch(ticket(&info)).await.unwrap();
    assert_eq!(*answered.schema, announced);
    answered.rows
}

fn texts(rows: &RecordBatch, column: usize) -> Vec<&str> {
    rows.column(column).as_string::<i32>().iter().map(Option::unwrap).collect()
}

#[tokio::test]
async fn the_catalog_and_its_schemas() {
    let server = server().await;
    let caller = server.caller("acme-analyst").await;
    let catalogs = ask(&caller, CommandGetCatalogs {}).await;
    assert_eq!(texts(&catalogs, 0), ["ledgerline"]);
    let schemas = ask(&caller, CommandGetDbSchemas::default()).await;
    assert_eq!(texts(&schemas, 1), ["information_schema", "pg_catalog", "public"]);
    let some = CommandGetDbSchemas {
        catalog: Some("ledgerline".to_owned()),
        db_schema_filter_pattern: Some("p%c".to_owned()),
    };
    assert_eq!(texts(&ask(&caller, some).await, 1), ["public"]);
    let none = CommandGetDbSchemas { catalog: Some("other".to_owned()), ..Default::default() };
    assert_eq!(ask(&caller, none).await.num_rows(), 0);
    let events = server.world.access_events(ACME);
    let ran =
        |event: &&Event| matches!(event, Event::AccessQueryRun(run) if run.door == "flight_sql");
    assert_eq!(events.iter().filter(ran).count(), 4, "looks at the catalog are events");
}

#[tokio::test]
async fn tables_with_their_columns() {
    let server = server().await;
    let caller = server.caller("acme-analyst").await;
    let all = ask(&caller, CommandGetTables::default()).await;
    let names = texts(&all, 2);
    assert!(names.contains(&"queue_leg") && names.contains(&"pg_class"), "{names:?}");
    assert!(!names.contains(&"event_log"), "an analyst does not see it");
    let own = CommandGetTables {
        db_schema_filter_pattern: Some("public".to_owned()),
        table_types: vec!["TABLE".to_owned()],
        include_schema: true,
        ..Default::default()
    };
    let tables = ask(&caller, own.clone()).await;
    assert_eq!(texts(&tables, 2), ["queue_leg"]);
    assert_eq!(texts(&tables, 3), ["TABLE"]);
    let columns = tables.column(4).as_binary::<i32>().value(0).to_vec();
    let columns = Schema::try_from(IpcMessage(columns.into())).unwrap();
    let answered = caller.ask("SELECT * FROM queue_leg").await.unwrap();
    assert_eq!(columns, *answered.schema, "the columns of the table are those of its rows");
    assert!(!columns.field(0).is_nullable() && columns.field(3).is_nullable());
    let auditor = server.caller("acme-auditor").await;
    assert_eq!(texts(&ask(&auditor, own).await, 2), ["event_log", "queue_leg"]);
    let every = CommandGetTables { include_schema: true, ..Default::default() };
    let every = ask(&auditor, every).await;
    let schemas = every.column(4).as_binary::<i32>();
    assert!(every.num_rows() > 50);
    for row in 0..every.num_rows() {
        let columns = Schema::try_from(IpcMessage(schemas.value(row).to_vec().into())).unwrap();
        assert!(!columns.fields().is_empty(), "{}", texts(&every, 2)[row]);
    }
    let types = ask(&caller, CommandGetTableTypes {}).await;
    let types = texts(&types, 0);
    assert!(texts(&every, 3).iter().all(|kind| types.contains(kind)));
}

#[tokio::test]
async fn keys() {
    let server = server().await;
    let caller = server.caller("acme-analyst").await;
    let of = |table: &str| CommandGetPrimaryKeys { table: table.to_owned(), ..Default::default() };
    let keys = ask(&caller, of("queue_leg")).await;
    assert_eq!(texts(&keys, 3), ["leg_id"]);
    assert_eq!(texts(&keys, 5), ["queue_leg_pkey"]);
    assert_eq!(keys.column(4).as_primitive::<Int32Type>().values(), &[1]);
    for none in [
        of("nowhere"),
        of("event_log"),
        CommandGetPrimaryKeys { db_schema: Some("pg_catalog".to_owned()), ..of("queue_leg") },
    ] {
        assert_eq!(ask(&caller, none).await.num_rows(), 0);
    }
    let auditor = server.caller("acme-auditor").await;
    assert_eq!(texts(&ask(&auditor, of("event_log")).await, 3), ["position"]);
    let table = || "queue_leg".to_owned();
    let exported = CommandGetExportedKeys { table: table(), ..Default::default() };
    let imported = CommandGetImportedKeys { table: table(), ..Default::default() };
    let crossed =
        CommandGetCrossReference { pk_table: table(), fk_table: table(), ..Default::default() };
    for rows in
        [ask(&caller, exported).await, ask(&caller, imported).await, ask(&caller, crossed).await]
    {
        assert_eq!((rows.num_rows(), rows.num_columns()), (0, 13));
        assert_eq!(rows.schema().field(11).data_type(), &DataType::UInt8);
    }
}

#[tokio::test]
async fn what_the_server_says_of_itself_holds() {
    let server = server().await;
    let caller = server.caller("acme-analyst").await;
    let all = ask(&caller, CommandGetSqlInfo::default()).await;
    let numbers = all.column(0).as_primitive::<UInt32Type>().values().to_vec();
    assert!(numbers.len() > 30, "{}", numbers.len());
    let value = |info: SqlInfo| {
        let row = numbers.iter().position(|it| *it == info as u32).unwrap();
        all.column(1).as_union().value(row)
    };
    let flag = |info| value(info).as_boolean().value(0);
    let text = |info| value(info).as_string::<i32>().value(0).to_owned();
    assert_eq!(text(SqlInfo::FlightSqlServerName), "Ledgerline");
    assert_eq!(text(SqlInfo::SqlIdentifierQuoteChar), "\"");
    assert!(flag(SqlInfo::FlightSqlServerReadOnly) && flag(SqlInfo::FlightSqlServerCancel));
    assert!(!flag(SqlInfo::FlightSqlServerSubstrait) && !flag(SqlInfo::SqlTransactionsSupported));
    assert_eq!(
        value(SqlInfo::FlightSqlServerTransaction).as_primitive::<Int32Type>().value(0),
        0,
        "no transactions"
    );
    // What it says it can, it does.
    for sql in [
        "SELECT 1 AS \"Quoted\" UNION SELECT 2 UNION ALL SELECT 3 ORDER BY 1 + 1",
        "SELECT queue FROM queue_leg ORDER BY leg_id",
        "SELECT count(*) FROM queue_leg GROUP BY queue",
        "SELECT a.leg_id FROM queue_leg a FULL OUTER JOIN queue_leg b ON a.leg_id = b.leg_id",
        "SELECT leg_id FROM queue_leg a WHERE leg_id IN (SELECT leg_id FROM queue_leg) AND EXISTS \
         (SELECT 1 FROM queue_leg b WHERE b.leg_id = a.leg_id) AND threshold_ms = \
         (SELECT max(threshold_ms) FROM queue_leg c WHERE c.queue = a.queue)",
    ] {
        caller.ask(sql).await.unwrap();
    }
    let nulls = "SELECT queue_duration_ms FROM queue_leg ORDER BY queue_duration_ms";
    let rows = caller.ask(nulls).await.unwrap().rows;
    assert!(rows.column(0).is_null(rows.num_rows() - 1), "nulls sort high");
    let two = CommandGetSqlInfo {
        info: vec![SqlInfo::FlightSqlServerName as u32, SqlInfo::FlightSqlServerVersion as u32],
    };
    assert_eq!(ask(&caller, two).await.num_rows(), 2);
}

#[tokio::test]
async fn types_by_their_numbers() {
    let server = server().await;
    let caller = server.caller("acme-analyst").await;
    let all = ask(&caller, CommandGetXdbcTypeInfo::default()).await;
    let mut names = texts(&all, 0);
    names.sort_unstable();
    let expected = ["bigint", "boolean", "double precision", "text", "timestamp with time zone"];
    assert_eq!(names, expected);
    let one = CommandGetXdbcTypeInfo { data_type: Some(XdbcDataType::XdbcBigint as i32) };
    assert_eq!(texts(&ask(&caller, one).await, 0), ["bigint"]);
    // They are names that SQL knows.
    for name in expected {
        caller.ask(&format!("SELECT CAST(NULL AS {name})")).await.unwrap();
    }
}

#[tokio::test]
async fn the_arrow_client_reads_the_catalog() {
    let server = server().await;
    let mut client = server.client("acme-analyst").await;
    let infos = [
        client.get_catalogs().await.unwrap(),
        client.get_db_schemas(CommandGetDbSchemas::default()).await.unwrap(),
        client.get_tables(CommandGetTables::default()).await.unwrap(),
        client.get_table_types().await.unwrap(),
        client.get_sql_info(vec![SqlInfo::FlightSqlServerName]).await.unwrap(),
        client.get_xdbc_type_info(CommandGetXdbcTypeInfo::default()).await.unwrap(),
    ];
    for info in infos {
        let rows = client.do_get(ticket(&info)).await.unwrap();
        let rows: Vec<RecordBatch> = rows.try_collect().await.unwrap();
        assert!(rows[0].num_rows() > 0);
    }
}
