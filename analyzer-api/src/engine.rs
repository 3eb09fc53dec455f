//! The one SQL engine: its threads, memory, caches and turns. Doors share it; sessions do not share
//! anything with each other.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::spill_file::{SpillFile, TempFileFactory};
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::backends::Backends;
use crate::error::QueryError;
use crate::govern::cooperate::cooperating;
use crate::govern::files::{TableFiles, TableFilesOnly};
use crate::govern::memory::QueryPool;
use crate::govern::spill::Spills;
use crate::govern::stream::{Clockwork, RowStream};
use crate::limits::Limits;
use crate::pg::statics::StaticCatalog;
use crate::session::{Plan, SqlSession};
use crate::texts;

/// Batches computed ahead of the reader.
const BATCHES_AHEAD: usize = 4;
/// Memory consumers that an out-of-memory message names.
const CONSUMERS_NAMED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4);

/// The SQL engine. Clones share it.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    limits: Limits,
    base: RuntimeEnv,
    memory: Arc<dyn MemoryPool>,
    turns: Arc<Semaphore>,
    past: Arc<Semaphore>,
    spills: Arc<Spills>,
    statics: Arc<StaticCatalog>,
    backends: Arc<Backends>,
    threads: Threads,
}

/// The threads that compute. They end without waiting: a query in flight has nobody left to answer to.
struct Threads(Option<Runtime>);

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("limits", &self.inner.limits).finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts the engine's threads.
    ///
    /// # Errors
    /// [`QueryError::Internal`] when threads, spill directory or the static catalog cannot be had.
    pub fn new(limits: Limits) -> Result<Self, QueryError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(limits.threads.max(1))
            .thread_name("analyzer")
            .enable_all()
            .build()
            .map_err(|error| QueryError::Internal(format!("no threads: {error}")))?;
        let memory: Arc<dyn MemoryPool> =
            Arc::new(GreedyMemoryPool::new(limits.total_memory_bytes));
        let spills = Arc::new(Spills::new(limits.spill_dir.clone(), limits.spill_bytes_max));
        let factory: Arc<dyn TempFileFactory> = spills.clone();
        let spill = DiskManagerBuilder::default().with_temp_file_factory(factory);
        let base = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::clone(&memory))
            .with_disk_manager_builder(spill)
            .with_metadata_cache_limit(128 << 20)
            .build()?;
        let turns = Arc::new(Semaphore::new(limits.queries_max.max(1)));
        let past = Arc::new(Semaphore::new(limits.past_max.max(1)));
        let statics = Arc::new(StaticCatalog::load()?);
        let threads = Threads(Some(runtime));
        let backends = Arc::default();
        let inner = Inner { limits, base, memory, turns, past, spills, statics, backends, threads };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The bounds in force.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    pub(crate) fn statics(&self) -> &Arc<StaticCatalog> {
        &self.inner.statics
    }

    pub(crate) fn backends(&self) -> &Arc<Backends> {
        &self.inner.backends
    }

    /// A run-time for one query: own memory limit, own files, shared caches.
    pub(crate) fn query_runtime(&self, files: TableFiles) -> Result<Arc<RuntimeEnv>, QueryError> {
        let pool =
            QueryPool::new(Arc::clone(&self.inner.memory), self.inner.limits.query_memory_bytes);
        let pool = TrackConsumersPool::new(pool, CONSUMERS_NAMED);
        Ok(RuntimeEnvBuilder::from_runtime_env(&self.inner.base)
            .with_memory_pool(Arc::new(pool))
            .with_object_store_registry(Arc::new(TableFilesOnly(Arc::new(files))))
            .build_arc()?)
    }

    /// A file without a name for an answer that is fetched later.
    pub(crate) fn put_aside(&self) -> Result<Arc<dyn SpillFile>, QueryError> {
        Ok(self.inner.spills.create_temp_file("answer")?)
    }

    pub(crate) fn clockwork(&self, cancel: CancellationToken) -> Clockwork {
        Clockwork { started: Instant::now(), deadline: self.inner.limits.deadline, cancel }
    }

    /// A turn to fold a part of the log again.
    pub(crate) async fn turn_of_the_past(&self) -> Result<OwnedSemaphorePermit, QueryError> {
        Arc::clone(&self.inner.past)
            .acquire_owned()
            .await
            .map_err(|error| QueryError::Internal(error.to_string()))
    }

    /// Runs work on the engine's threads; dropping the future stops it.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, QueryError>> + Send + 'static,
    ) -> Result<T, QueryError> {
        let Some(runtime) = &self.inner.threads.0 else {
            return Err(QueryError::Internal("the engine has ended".to_owned()));
        };
        let mut guard = AbortOnDrop::new(runtime.spawn(work));
        (&mut guard.task).await.map_err(|error| QueryError::Internal(error.to_string()))?
    }

    /// The columns that running a plan will give.
    pub(crate) async fn describe(
        &self,
        session: Arc<SqlSession>,
        plan: Plan,
    ) -> Result<SchemaRef, QueryError> {
        self.compute(async move {
            let physical = session.state().create_physical_plan(&plan.logical).await?;
            Ok(renamed(&physical.schema(), plan.names.as_deref()))
        })
        .await
    }

    /// Runs a plan. The answer is computed while it is read.
    pub(crate) async fn run(
        &self,
        session: Arc<SqlSession>,
        plan: Plan,
        clockwork: Clockwork,
    ) -> Result<RowStream, QueryError> {
        let limits = &self.inner.limits;
        let turn = clockwork
            .bound(Arc::clone(&self.inner.turns).acquire_owned())
            .await?
            .map_err(|error| QueryError::Internal(error.to_string()))?;
        let Some(runtime) = &self.inner.threads.0 else {
            return Err(QueryError::Internal("the engine has ended".to_owned()));
        };
        let names = plan.names.clone();
        let (batches_in, batches) = mpsc::channel(BATCHES_AHEAD);
        let (schema_in, schema) = oneshot::channel();
        let task = runtime.spawn(async move {
            let started = async {
                let state = session.state();
                let physical = cooperating(state.create_physical_plan(&plan.logical).await?)?;
                let schema = physical.schema();
                Ok::<_, DataFusionError>((schema, execute_stream(physical, state.task_ctx())?))
            };
            let mut stream = match started.await {
                Ok((schema, stream)) => {
                    if schema_in.send(Ok(schema)).is_err() {
                        return;
                    }
                    stream
                }
                Err(error) => {
                    let _ = schema_in.send(Err(error));
                    return;
                }
            };
            while let Some(batch) = stream.next().await {
                if batches_in.send(batch).await.is_err() {
                    return;
                }
            }
        });
        let task = AbortOnDrop::new(task);
        let schema = clockwork
            .bound(schema)
            .await?
            .map_err(|_| QueryError::Internal("the computation ended early".to_owned()))??;
        Ok(RowStream {
            schema: renamed(&schema, names.as_deref()),
            batches,
            task: task.keep(),
            clockwork,
            rows_max: limits.rows_max,
            bytes_max: limits.bytes_max,
            rows: 0,
            bytes: 0,
            ended: false,
            _permit: turn,
        })
    }
}

/// Columns under the names and with the types that are shown; metadata of catalog columns stays inside.
pub(crate) fn renamed(schema: &Schema, names: Option<&[String]>) -> SchemaRef {
    let fields = schema.fields().iter().enumerate().map(|(index, field)| {
        let shown = names.filter(|names| names.len() == schema.fields().len());
        let name = shown.and_then(|names| names.get(index)).unwrap_or_else(|| field.name());
        Field::new(name, texts::plain(field.data_type()), field.is_nullable())
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Stops a task when its future is dropped before the task is handed on.
struct AbortOnDrop<T> {
    task: tokio::task::JoinHandle<T>,
    armed: bool,
}

impl<T> AbortOnDrop<T> {
    const fn new(task: tokio::task::JoinHandle<T>) -> Self {
        Self { task, armed: true }
    }

    /// Hands the duty to stop the task to the caller.
    fn keep(mut self) -> AbortHandle {
        self.armed = false;
        self.task.abort_handle()
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        if self.armed {
            self.task.abort();
        }
    }
}
