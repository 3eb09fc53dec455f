//! A table of a snapshot as the engine sees it: rows in memory and rows in Parquet, one table.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DFSchema;
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, ident, lit};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::union::UnionExec;
use ledgerline_projections::{COMMIT_COLUMN, ColdFile, TableSnapshot};
use ledgerline_schemas::Position;
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::govern::files::tables_url;
use crate::texts;

/// One table at one position. It holds the snapshot's handles, so the rows cannot change under a query.
pub(crate) struct SnapshotTable {
    table: TableSnapshot,
    schema: SchemaRef,
}

impl SnapshotTable {
    pub(crate) fn new(table: TableSnapshot) -> Self {
        let schema = texts::viewed(&table.schema);
        Self { table, schema }
    }

    /// Texts as the engine sees them ([`texts`]).
    pub(crate) const fn viewed_schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Files that are part of the table as a whole. The filter above them is pushed into them when the plan is made;
    /// one that they had already would be computed twice for each row.
    fn scan_cold(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let source = source(state, &self.schema)?;
        let whole = self.table.cold.iter().filter(|file| file.until.is_none());
        let files = file_groups(state, whole)?;
        let config = FileScanConfigBuilder::new(tables_url()?, Arc::new(source))
            .with_file_groups(files)
            .with_projection_indices(projection.cloned())?
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    /// Rows in memory: they are not many, so the columns asked for are brought into the form of the files.
    fn scan_hot(&self, projection: Option<&Vec<usize>>) -> Result<Arc<dyn ExecutionPlan>> {
        let (schema, columns) = match projection {
            Some(columns) => (Arc::new(self.schema.project(columns)?), columns.clone()),
            None => (Arc::clone(&self.schema), (0..self.schema.fields().len()).collect()),
        };
        let rows = self.table.hot.iter().map(|batch| {
            let batch = batch.project(&columns)?;
            texts::in_form(&batch, &schema)
        });
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        Ok(MemorySourceConfig::try_new_exec(&[rows], schema, None)?)
    }

    /// Merged files that go on beyond the position of the snapshot, up to there.
    fn scan_cut(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        until: Position,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut fields = self.schema.fields().to_vec();
        let commit = fields.len();
        fields.push(Arc::new(Field::new(COMMIT_COLUMN, DataType::Int64, false)));
        let schema = Arc::new(Schema::new(fields));
        let until = i64::try_from(until.0).unwrap_or(i64::MAX);
        let is_then = ident(COMMIT_COLUMN).lt_eq(lit(until));
        let source = source(state, &schema)?;
        let mut columns = match projection {
            Some(columns) => columns.clone(),
            None => (0..commit).collect(),
        };
        columns.push(commit);
        let cut = self.table.cold.iter().filter(|file| file.until.is_some());
        let config = FileScanConfigBuilder::new(tables_url()?, Arc::new(source))
            .with_file_groups(file_groups(state, cut)?)
            .with_projection_indices(Some(columns))?
            .build();
        let scan = DataSourceExec::from_data_source(config);
        let scanned = scan.schema();
        let is_then =
            state.create_physical_expr(is_then, &DFSchema::try_from(Arc::clone(&scanned))?)?;
        let filtered: Arc<dyn ExecutionPlan> = Arc::new(FilterExec::try_new(is_then, scan)?);
        let kept = scanned.fields().iter().enumerate().take(scanned.fields().len() - 1);
        let kept = kept.map(|(index, field)| {
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), index));
            (column, field.name().clone())
        });
        Ok(Arc::new(ProjectionExec::try_new(kept.collect::<Vec<_>>(), filtered)?))
    }
}

/// How files of a schema are read. What their footers say is kept between queries: files never change, and reading
/// the page indexes of all files of a table is most of the work of a query that needs little of it.
fn source(state: &dyn Session, schema: &SchemaRef) -> Result<ParquetSource> {
    let runtime = state.runtime_env();
    let store = runtime.object_store(tables_url()?)?;
    let footers = runtime.cache_manager.get_file_metadata_cache();
    Ok(ParquetSource::new(Arc::clone(schema))
        .with_pushdown_filters(true)
        .with_reorder_filters(true)
        .with_parquet_file_reader_factory(Arc::new(CachedParquetFileReaderFactory::new(
            store, footers,
        ))))
}

/// Files dealt out to as many groups as are read at a time.
fn file_groups<'a>(
    state: &dyn Session,
    files: impl Iterator<Item = &'a ColdFile>,
) -> Result<Vec<FileGroup>> {
    let groups = state.config_options().execution.target_partitions.max(1);
    let mut dealt: Vec<Vec<PartitionedFile>> = vec![Vec::new(); groups];
    for (index, file) in files.enumerate() {
        if let Some(group) = dealt.get_mut(index % groups) {
            group.push(PartitionedFile::from(object_meta(file)?));
        }
    }
    Ok(dealt.into_iter().filter(|group| !group.is_empty()).map(FileGroup::new).collect())
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
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        // Inexact keeps a filter above the scan, from where the physical plan pushes it into the files; it stays above
        // rows in memory.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut parts: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
        if self.table.cold.iter().any(|file| file.until.is_none()) {
            parts.push(self.scan_cold(state, projection)?);
        }
        if let Some(until) = self.table.cold.iter().find_map(|file| file.until) {
            parts.push(self.scan_cut(state, projection, until)?);
        }
        if parts.is_empty() || !self.table.hot.is_empty() {
            parts.push(self.scan_hot(projection)?);
        }
        match parts.as_slice() {
            [only] => Ok(Arc::clone(only)),
            _ => UnionExec::try_new(parts),
        }
    }
}
