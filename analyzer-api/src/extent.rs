//! Files that lie wholly within a range of instants.
//!
//! Most questions name a span of time, and most files that have rows of it have no others. Of such a file nothing is
//! compared: the column of instants, which hardly compresses, is not even read.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema, TimeUnit};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, binary_expr, ident, lit};
use datafusion::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use datafusion::parquet::file::statistics::Statistics;
use datafusion::scalar::ScalarValue;

/// A comparison of a column of instants with a bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) column: String,
    operator: Operator,
    /// Microseconds since 1970.
    bound: i64,
    time_zone: Option<Arc<str>>,
}

impl Range {
    /// What a filter says, if it is one.
    pub(crate) fn of(filter: &Expr, schema: &Schema) -> Option<Self> {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter else { return None };
        let (column, operator, bound) = match (&**left, &**right) {
            (Expr::Column(column), Expr::Literal(bound, _)) => (column, *op, bound),
            (Expr::Literal(bound, _), Expr::Column(column)) => (column, op.swap()?, bound),
            _ => return None,
        };
        let is_order =
            matches!(operator, Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq);
        let field = schema.field_with_name(column.name()).ok()?;
        match (field.data_type(), bound) {
            (
                DataType::Timestamp(TimeUnit::Microsecond, time_zone),
                ScalarValue::TimestampMicrosecond(Some(bound), of_bound),
            ) if is_order && time_zone == of_bound => Some(Self {
                column: column.name().to_owned(),
                operator,
                bound: *bound,
                time_zone: time_zone.clone(),
            }),
            _ => None,
        }
    }

    /// The same as a filter of unqualified columns.
    pub(crate) fn filter(&self) -> Expr {
        let bound = ScalarValue::TimestampMicrosecond(Some(self.bound), self.time_zone.clone());
        binary_expr(ident(&self.column), self.operator, lit(bound))
    }

    const fn holds(&self, instant: i64) -> bool {
        match self.operator {
            Operator::Lt => instant < self.bound,
            Operator::LtEq => instant <= self.bound,
            Operator::Gt => instant > self.bound,
            _ => instant >= self.bound,
        }
    }

    /// Whether the statistics say that it is true of every row. Null is in no range.
    fn holds_of_all(&self, rows: &RowGroupMetaData) -> bool {
        let column = rows.columns().iter().find(|it| it.column_path().string() == self.column);
        match column.and_then(|column| column.statistics()) {
            Some(Statistics::Int64(of)) if of.null_count_opt() == Some(0) => {
                let (least, most) = (of.min_opt().copied(), of.max_opt().copied());
                // It is true of all between when it is of both.
                least.is_some_and(|it| self.holds(it)) && most.is_some_and(|it| self.holds(it))
            }
            _ => false,
        }
    }
}

/// Whether every row of a file is in every range.
pub(crate) fn is_within(file: &ParquetMetaData, ranges: &[Range]) -> bool {
    let holds = |rows: &RowGroupMetaData| ranges.iter().all(|range| range.holds_of_all(rows));
    file.row_groups().iter().all(holds)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{RecordBatch, TimestampMicrosecondArray};
    use datafusion::arrow::datatypes::Field;
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;
    use parquet::file::reader::{FileReader as _, SerializedFileReader};

    use super::*;

    fn schema() -> Arc<Schema> {
        let time = DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()));
        Arc::new(Schema::new(vec![
            Field::new("at", time, true),
            Field::new("n", DataType::Int64, true),
        ]))
    }

    fn at(instant: i64) -> Expr {
        lit(ScalarValue::TimestampMicrosecond(Some(instant), Some("+00:00".into())))
    }

    /// A file with these instants, two to a row group.
    fn file(instants: &[Option<i64>]) -> Arc<ParquetMetaData> {
        let schema = Arc::new(schema().project(&[0]).unwrap());
        let column = TimestampMicrosecondArray::from(instants.to_vec()).with_timezone("+00:00");
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(column)]).unwrap();
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(2)).build();
        let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        let bytes = bytes::Bytes::from(writer.into_inner().unwrap());
        Arc::new(SerializedFileReader::new(bytes).unwrap().metadata().clone())
    }

    #[test]
    fn comparisons_of_instants_are_ranges_whichever_way_they_are_written() {
        let schema = schema();
        let range = |filter: Expr| Range::of(&filter, &schema).map(|it| it.filter().to_string());
        let is = |filter: Expr| Some(filter.to_string());
        assert_eq!(range(ident("at").lt(at(5))), is(ident("at").lt(at(5))));
        assert_eq!(range(at(5).lt(ident("at"))), is(ident("at").gt(at(5))));
        assert_eq!(range(at(5).gt_eq(ident("at"))), is(ident("at").lt_eq(at(5))));
        let naive = lit(ScalarValue::TimestampMicrosecond(Some(5), None));
        let null = lit(ScalarValue::TimestampMicrosecond(None, Some("+00:00".into())));
        for other in [
            ident("at").eq(at(5)),
            ident("at").not_eq(at(5)),
            ident("at").lt(ident("at")),
            ident("at").lt(naive),
            ident("at").lt(null),
            ident("n").lt(lit(5_i64)),
            ident("there").lt(at(5)),
            ident("at").lt(at(5)).or(ident("at").gt(at(7))),
        ] {
            assert_eq!(range(other.clone()), None, "{other}");
        }
    }

    #[test]
    fn a_file_is_within_when_no_row_can_be_outside() {
        let schema = schema();
        let whole = file(&[Some(10), Some(30), Some(20), Some(15)]);
        let broken = file(&[Some(10), None]);
        for (filter, is_in) in [
            (ident("at").gt_eq(at(10)), true),
            (ident("at").gt(at(10)), false),
            (ident("at").lt_eq(at(30)), true),
            (ident("at").lt(at(30)), false),
            (ident("at").lt(at(31)), true),
            (ident("at").lt(at(25)), false),
        ] {
            let range = Range::of(&filter, &schema).unwrap();
            assert_eq!(is_within(&whole, std::slice::from_ref(&range)), is_in, "{filter}");
            assert!(!is_within(&broken, &[range]), "{filter}");
        }
        let both = [ident("at").gt_eq(at(10)), ident("at").lt(at(30))];
        let both = both.map(|it| Range::of(&it, &schema).unwrap());
        assert!(!is_within(&whole, &both));
        // A file of before the column was there.
        let other = Range { column: "since".to_owned(), ..both[0].clone() };
        assert!(!is_within(&whole, &[other]));
    }
}
