//! Files put one behind the other hold the rows that merging them row by row gives.

use std::sync::Arc;

use arrow::compute::concat_batches;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use ledgerline_schemas::Position;
use ledgerline_schemas::id::InteractionId;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection, RowSelector};
use parquet::bloom_filter::Sbbf;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};

use crate::cold;
use crate::encode;
use crate::merge::{self, Input};
use crate::splice;
use crate::tables::{TableRow, table};

table! {
    /// A table in the order of the log.
    Line = "line", key Position = [position], sort [position], live false;
    /// Where it is.
    position: Position,
    /// A column that is looked up.
    interaction_id: Option<InteractionId>,
    /// A text.
    text: Option<Arc<str>>,
    /// A truth.
    is_even: bool,
}

fn line(position: u64) -> Line {
    Line {
        position: Position(position),
        interaction_id: (!position.is_multiple_of(5))
            .then(|| InteractionId::from_u128(u128::from(position / 7))),
        text: (!position.is_multiple_of(3)).then(|| format!("line {}", position % 1_000).into()),
        is_even: position.is_multiple_of(2),
        valid_from_position: Position(position),
    }
}

/// The file of a commit with these rows.
fn file(positions: std::ops::Range<u64>) -> Input {
    let (commit, rows) = (positions.end - 1, positions.map(line).collect::<Vec<_>>());
    let batch = encode::batch(&encode::schema(Line::DEF), rows.iter()).unwrap();
    Input { content: cold::encode_batch(Line::DEF, &batch).unwrap().into(), commit }
}

fn copies(inputs: &[Input]) -> Vec<Input> {
    let copy = |it: &Input| Input { content: it.content.clone(), commit: it.commit };
    inputs.iter().map(copy).collect()
}

fn rows(content: &Bytes) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(content.clone()).unwrap();
    let schema = Arc::clone(reader.schema());
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

fn footer(content: &Bytes) -> ParquetMetaData {
    ParquetMetaDataReader::new()
        .with_page_index_policy(PageIndexPolicy::Required)
        .parse_and_finish(content)
        .unwrap()
}

fn spliced(inputs: &[Input], rows: usize) -> Option<Bytes> {
    let schema = merge::schema(Line::DEF);
    splice::spliced(Line::DEF, &schema, inputs, rows, &|| true).unwrap().map(Bytes::from)
}

#[test]
fn files_that_follow_each_other_are_copied_with_all_that_finds_rows_in_them() {
    let inputs = [file(1..20_001), file(20_001..30_001), file(30_001..50_001)];
    let expected = rows(&Bytes::from(
        merge::row_by_row(Line::DEF, copies(&inputs), 50_000, None, &|| true).unwrap(),
    ));
    let found = spliced(&inputs, 50_000).expect("they follow each other");
    assert_eq!(rows(&found), expected);
    assert_eq!(merge::merge(Line::DEF, copies(&inputs), 50_000, None, &|| true).unwrap(), found);

    let footer = footer(&found);
    let groups: Vec<i64> = footer.row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(groups, [20_000, 10_000, 20_000]);
    assert_eq!(footer.row_group(1).sorting_columns().map(Vec::len), Some(1));
    for (index, group) in footer.row_groups().iter().enumerate() {
        for (column, chunk) in group.columns().iter().enumerate() {
            assert!(chunk.statistics().is_some(), "{}", chunk.column_path());
            assert!(footer.column_index().unwrap()[index][column].num_pages() > 0);
            assert!(!footer.offset_index().unwrap()[index][column].page_locations().is_empty());
        }
    }
    let chunk = footer.row_group(1).column(1);
    let filter = Sbbf::read_from_column_chunk(chunk, &found).unwrap().expect("a bloom filter");
    let id = |position: u64| line(position).interaction_id.unwrap().to_string();
    assert!(filter.check(&id(20_002).as_str()) && filter.check(&id(29_999).as_str()));
    assert!(
        (1..19_000_u64)
            .filter(|it| !it.is_multiple_of(5))
            .any(|it| !filter.check(&id(it).as_str()))
    );

    // Pages are where their index says: a few rows of the last group.
    let selection = vec![RowSelector::skip(45_000), RowSelector::select(3)];
    let reader = ParquetRecordBatchReaderBuilder::try_new(found.clone())
        .unwrap()
        .with_row_selection(RowSelection::from(selection));
    let picked: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    assert_eq!(picked, [expected.slice(45_000, 3)]);

    // What is merged once more keeps the commits it has.
    let commit = 50_000;
    let again = [Input { content: found, commit }, file(50_001..60_001)];
    let expected = merge::row_by_row(Line::DEF, copies(&again), 60_000, None, &|| true).unwrap();
    let found = spliced(&again, 60_000).expect("they follow each other");
    assert_eq!(rows(&found), rows(&expected.into()));
}

#[test]
fn files_that_overlap_or_are_small_are_merged_row_by_row() {
    assert!(spliced(&[file(1..20_001), file(20_000..40_000)], 40_000).is_none());
    assert!(spliced(&[file(20_001..40_001), file(1..20_001)], 40_000).is_none());
    assert!(spliced(&[file(1..20_001), file(20_001..20_100)], 20_099).is_none());
    let going_on = || false;
    let inputs = [file(1..20_001), file(20_001..40_001)];
    let schema = merge::schema(Line::DEF);
    assert!(splice::spliced(Line::DEF, &schema, &inputs, 40_000, &going_on).is_err());
}
