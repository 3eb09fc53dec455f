//! A table of a snapshot as the engine sees it: rows in memory and rows in Parquet, one table.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DFSchema;
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;
use ledgerline_projections::{ColdFile, TableSnapshot};
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::govern::files::tables_url;

/// One table at one position. It holds the snapshot's handles, so the rows cannot change under a query.
pub(crate) struct SnapshotTable {
    table: TableSnapshot,
}

impl SnapshotTable {
    pub(crate) const fn new(table: TableSnapshot) -> Self {
        Self { table }
    }

    fn scan_cold(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut source = ParquetSource::new(Arc::clone(&self.table.schema));
        if let Some(filter) = conjunction(filters.to_vec()) {
            let schema = DFSchema::try_from(Arc::clone(&self.table.schema))?;
            source = source.with_predicate(state.create_physical_expr(filter, &schema)?);
        }
        source = source.with_pushdown_filters(true).with_reorder_filters(true);
        let groups = state.config_options().execution.target_partitions.max(1);
        let mut files: Vec<Vec<PartitionedFile>> = vec![Vec::new(); groups];
        for (index, file) in self.table.cold.iter().enumerate() {
            if let Some(group) = files.get_mut(index % groups) {
                group.push(PartitionedFile::from(object_meta(file)?));
            }
        }
        let files = files.into_iter().filter(|group| !group.is_empty()).map(FileGroup::new);
        let config = FileScanConfigBuilder::new(tables_url()?, Arc::new(source))
            .with_file_groups(files.collect())
            .with_projection_indices(projection.cloned())?
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// Where a file lies, in the form the object store uses.
pub(crate) fn location(file: &ColdFile) -> Result<Path> {
    Path::from_absolute_path(&file.path).map_err(|error| DataFusionError::External(Box::new(error)))
}

/// Files never change once they are in a snapshot, so their size and name say all; nothing is looked up.
fn object_meta(file: &ColdFile) -> Result<ObjectMeta> {
    Ok(ObjectMeta {
        location: location(file)?,
        last_modified: chrono::DateTime::UNIX_EPOCH,
        size: file.bytes,
        e_tag: None,
        version: None,
    })
}

impl fmt::Debug for SnapshotTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotTable").field("name", &self.table.def.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for SnapshotTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.table.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        // Inexact keeps a filter above the scan: rows in memory are not filtered by it.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let hot = || -> Result<Arc<dyn ExecutionPlan>> {
            Ok(MemorySourceConfig::try_new_exec(
                &[self.table.hot.to_vec()],
                Arc::clone(&self.table.schema),
                projection.cloned(),
            )?)
        };
        if self.table.cold.is_empty() {
            return hot();
        }
        let cold = self.scan_cold(state, projection, filters)?;
        if self.table.hot.is_empty() {
            return Ok(cold);
        }
        UnionExec::try_new(vec![cold, hot()?])
    }
}
