//! The end of what a question's plan can reach: granted rows come out, nothing goes in.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatchOptions;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties as _, PhysicalExpr,
    PlanProperties,
};
use futures::StreamExt as _;

/// The rows of a table that are granted, or still kept. To the optimizer it is a leaf without statistics, ordering or metrics;
/// what is inside was planned before and is shown nowhere.
pub(crate) struct GrantedRows {
    table: &'static str,
    inner: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl GrantedRows {
    /// Around a plan that gives the columns of `schema` first.
    pub(crate) fn new(
        table: &'static str,
        schema: SchemaRef,
        inner: Arc<dyn ExecutionPlan>,
    ) -> Self {
        let partitions = inner.output_partitioning().partition_count();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self { table, inner, properties: Arc::new(properties) }
    }

    /// Of a table that is not granted at all.
    pub(crate) fn nothing(table: &'static str, schema: SchemaRef) -> Self {
        let inner = Arc::new(EmptyExec::new(Arc::clone(&schema)));
        Self::new(table, schema, inner)
    }
}

impl fmt::Debug for GrantedRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrantedRows").field("table", &self.table).finish_non_exhaustive()
    }
}

impl DisplayAs for GrantedRows {
    fn fmt_as(&self, _form: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrantedRows: table={}", self.table)
    }
}

impl ExecutionPlan for GrantedRows {
    fn name(&self) -> &'static str {
        "GrantedRows"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let schema = self.schema();
        let rows = self.inner.execute(partition, context)?;
        let shown = Arc::clone(&schema);
        let rows = rows.map(move |batch| in_form(&batch?, &shown));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

/// The first columns of a batch under the schema that was announced.
fn in_form(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = batch.columns().iter().take(schema.fields().len()).cloned().collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(DataFusionError::from)
}
