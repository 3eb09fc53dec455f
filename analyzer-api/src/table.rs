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
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
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
use futures::{StreamExt as _, TryStreamExt as _, stream};
use ledgerline_projections::{COMMIT_COLUMN, ColdFile, TableSnapshot};
use ledgerline_schemas::Position;
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::extent::{self, Range};
use crate::govern::files::tables_url;
use crate::texts;

/// Footers that are read at the same time, when they are not known yet.
const FOOTERS_AT_A_TIME: usize = 8;

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
        files: &[&ColdFile],
        projection: Option<&Vec<usize>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let source = source(state, &self.schema)?;
        let files = file_groups(state, files.iter().copied())?;
        let config = FileScanConfigBuilder::new(tables_url()?, Arc::new(source))
            .with_file_groups(files)
            .with_projection_indices(projection.cloned())?
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn whole_files(&self) -> impl Iterator<Item = &ColdFile> {
        self.table.cold.iter().filter(|file| file.until.is_none())
    }

    /// What a filter says, if whole files are asked about it.
    fn range(&self, filter: &Expr) -> Option<Range> {
        self.whole_files().next()?;
        Range::of(filter, &self.schema)
    }

    /// Whole files of which every row is in the ranges, and the others.
    async fn parted(
        &self,
        state: &dyn Session,
        ranges: &[Range],
    ) -> Result<(Vec<&ColdFile>, Vec<&ColdFile>)> {
        if ranges.is_empty() {
            return Ok((self.whole_files().collect(), Vec::new()));
        }
        let runtime = state.runtime_env();
        let store = runtime.object_store(tables_url()?)?;
        let footers = runtime.cache_manager.get_file_metadata_cache();
        let (store, footers) = (&store, &footers);
        let mut asked = Vec::new();
        for file in self.whole_files() {
            asked.push(async move {
                let meta = object_meta(file)?;
                let footer = DFParquetMetadata::new(store, &meta)
                    .with_file_metadata_cache(Some(Arc::clone(footers)))
                    .fetch_metadata()
                    .await?;
                Ok::<_, DataFusionError>((file, extent::is_within(&footer, ranges)))
            });
        }
        let mut asked = stream::iter(asked).buffered(FOOTERS_AT_A_TIME);
        let (mut within, mut others) = (Vec::new(), Vec::new());
        while let Some((file, is_within)) = asked.try_next().await? {
            if is_within { &mut within } else { &mut others }.push(file);
        }
        Ok((within, others))
    }

    /// The rows of a scan that are in the ranges.
    fn in_ranges(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        ranges: &[Range],
        scan: impl FnOnce(Option<&Vec<usize>>) -> Result<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(filter) = ranges.iter().map(Range::filter).reduce(Expr::and) else {
            return scan(projection);
        };
        let mut columns = match projection {
            Some(columns) => columns.clone(),
            None => (0..self.schema.fields().len()).collect(),
        };
        let shown = columns.len();
        for range in ranges {
            let column = self.schema.index_of(&range.column)?;
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        let scan = scan(Some(&columns))?;
        first_of_filtered(state, scan, filter, shown)
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
        let shown = scan.schema().fields().len() - 1;
        first_of_filtered(state, scan, is_then, shown)
    }
}

/// The first columns of the rows that a filter lets through.
fn first_of_filtered(
    state: &dyn Session,
    scan: Arc<dyn ExecutionPlan>,
    filter: Expr,
    shown: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let scanned = scan.schema();
    let filter = state.create_physical_expr(filter, &DFSchema::try_from(Arc::clone(&scanned))?)?;
    let filtered: Arc<dyn ExecutionPlan> = Arc::new(FilterExec::try_new(filter, scan)?);
    if shown == scanned.fields().len() {
        return Ok(filtered);
    }
    let kept = scanned.fields().iter().enumerate().take(shown).map(|(index, field)| {
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), index));
        (column, field.name().clone())
    });
    Ok(Arc::new(ProjectionExec::try_new(kept.collect::<Vec<_>>(), filtered)?))
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
        // rows in memory. Ranges are put there here, but for files that have nothing else.
        let taken = |filter: &&Expr| match self.range(filter) {
            Some(_) => TableProviderFilterPushDown::Exact,
            None => TableProviderFilterPushDown::Inexact,
        };
        Ok(filters.iter().map(taken).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let ranges: Vec<Range> = filters.iter().filter_map(|it| self.range(it)).collect();
        let mut parts: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
        let (within, others) = self.parted(state, &ranges).await?;
        if !within.is_empty() {
            parts.push(self.scan_cold(state, &within, projection)?);
        }
        let in_ranges = |scan: &dyn Fn(Option<&Vec<usize>>) -> Result<Arc<dyn ExecutionPlan>>| {
            self.in_ranges(state, projection, &ranges, scan)
        };
        if !others.is_empty() {
            parts.push(in_ranges(&|columns| self.scan_cold(state, &others, columns))?);
        }
        if let Some(until) = self.table.cold.iter().find_map(|file| file.until) {
            parts.push(in_ranges(&|columns| self.scan_cut(state, columns, until))?);
        }
        if parts.is_empty() || !self.table.hot.is_empty() {
            parts.push(in_ranges(&|columns| self.scan_hot(columns))?);
        }
        match parts.as_slice() {
            [only] => Ok(Arc::clone(only)),
            _ => UnionExec::try_new(parts),
        }
    }
}
