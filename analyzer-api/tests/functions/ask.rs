//! Questions through the real engine, over rows made for a test.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use ledgerline_analyzer_api::query::{Output, render, run_local};
use ledgerline_projections::{ColumnDef, ColumnType, Dimension, Snapshot, TableDef, TableSnapshot};

use crate::support::{ACME, POSITION, cold, principal};

/// A row of the table `sample`; times are seconds since 2026-01-01 UTC.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) number: Option<i64>,
    pub(crate) start: Option<i64>,
    pub(crate) end: Option<i64>,
    pub(crate) flag: bool,
}

const fn column(name: &'static str, column_type: ColumnType) -> ColumnDef {
    ColumnDef { name, column_type, nullable: true, doc: "for a test", dimension: Dimension::None }
}

static SAMPLE: TableDef = TableDef {
    name: "sample",
    doc: "rows of a test",
    columns: &[
        column("name", ColumnType::Text),
        column("kind", ColumnType::Text),
        column("number", ColumnType::Int),
        column("start", ColumnType::Time),
        column("end", ColumnType::Time),
        column("flag", ColumnType::Bool),
    ],
    key: &["name"],
    sort: &["start"],
    live: false,
};

fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let fields = SAMPLE.columns.iter().map(|column| {
        let data_type = match column.column_type {
            ColumnType::Int => DataType::Int64,
            ColumnType::Time => time.clone(),
            ColumnType::Bool => DataType::Boolean,
            ColumnType::Text | ColumnType::Json => DataType::Utf8,
        };
        Field::new(column.name, data_type, true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// 2026-01-01T00:00:00Z in seconds.
pub(crate) const EPOCH: i64 = 1_767_225_600;

fn batch(rows: &[Row]) -> RecordBatch {
    let times = |of: fn(&Row) -> Option<i64>| -> ArrayRef {
        let micros = rows.iter().map(|row| of(row).map(|seconds| (EPOCH + seconds) * 1_000_000));
        Arc::new(TimestampMicrosecondArray::from_iter(micros).with_timezone("UTC"))
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.name))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.kind))),
        Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.number))),
        times(|row| row.start),
        times(|row| row.end),
        Arc::new(BooleanArray::from_iter(rows.iter().map(|row| Some(row.flag)))),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

/// A snapshot whose table `sample` has these rows, one file for each part but the last, which is in memory.
pub(crate) fn sample(dir: &Path, parts: &[Vec<Row>]) -> Arc<Snapshot> {
    let (hot, files) = parts.split_last().unwrap();
    let files = files
        .iter()
        .enumerate()
        .map(|(index, rows)| cold(dir, &format!("{index}-{}.parquet", rows.len()), &batch(rows)));
    let table = TableSnapshot {
        kept: Default::default(),
        def: &SAMPLE,
        schema: schema(),
        cold: files.collect(),
        hot: vec![batch(hot)].into(),
    };
    Arc::new(Snapshot {
        org_id: ACME,
        position: POSITION,
        epoch: 1,
        tables: [("sample", table)].into(),
        live: BTreeMap::new(),
    })
}

/// The rows as they come, and shuffled by their keys into so many parts.
pub(crate) fn spread(rows: Vec<(Row, u32)>, parts: usize) -> (Vec<Row>, Vec<Vec<Row>>) {
    let plain = rows.iter().map(|(row, _)| row.clone()).collect();
    let mut shuffled = rows;
    shuffled.sort_by_key(|(_, key)| *key);
    let mut spread = vec![Vec::new(); parts];
    for (index, (row, _)) in shuffled.into_iter().enumerate() {
        spread[index * 7 % parts].push(row);
    }
    (plain, spread)
}

/// The answer as CSV without its header, or why there is none.
pub(crate) async fn ask(snapshot: &Arc<Snapshot>, sql: &str) -> Result<String, String> {
    let who = principal("acme-analyst").unwrap();
    let rows =
        run_local(Arc::clone(snapshot), &who, sql).await.map_err(|error| error.to_string())?;
    let text = render(&rows, Output::Csv).unwrap();
    let (_, body) = text.split_once("\r\n").unwrap();
    Ok(body.to_owned())
}

fn empty() -> Arc<Snapshot> {
    sample(Path::new("."), &[Vec::new()])
}

/// The answer to a question without tables, row by row. No value may have a comma.
pub(crate) async fn cells(sql: &str) -> Vec<Vec<String>> {
    let text = ask(&empty(), sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// The one value of the answer to a question without tables.
pub(crate) async fn cell(sql: &str) -> String {
    let rows = cells(sql).await;
    assert_eq!((rows.len(), rows.first().map(Vec::len)), (1, Some(1)), "{sql}: {rows:?}");
    rows[0][0].clone()
}

/// Why a question without tables is not answered.
pub(crate) async fn refusal(sql: &str) -> String {
    match ask(&empty(), sql).await {
        Ok(answer) => panic!("{sql} was answered: {answer}"),
        Err(error) => error,
    }
}
