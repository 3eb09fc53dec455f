//! One principal's view of one snapshot: the tables it may see, the catalogs that describe them, the
//! functions that tell who it is. A session lives for one query; nothing in it can be set.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider, TableProvider,
};
use datafusion::config::Dialect;
use datafusion::datasource::MemTable;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::registry::FunctionRegistry;
use datafusion::prelude::SessionConfig;
use datafusion::sql::parser::Statement as DfStatement;
use datafusion::sql::sqlparser::ast::Statement;
use ledgerline_access::Principal;
use ledgerline_projections::{Rights, Snapshot, TableDef};
use ledgerline_schemas::Position;

use crate::backends::Settings;
use crate::engine::{Engine, renamed};
use crate::error::QueryError;
use crate::functions::{self, gapfill, session, single_value};
use crate::govern::files::TableFiles;
use crate::past;
use crate::pg;
use crate::ports::{may_measure, may_read_event_log};
use crate::retention;
use crate::rights::{Grants, MaskedColumns};
use crate::sql::{guard, names, percentiles, rewrite, round, truth};
use crate::table::location;
use crate::views::{self, View};

/// Name of the one database a connection sees: its own organization.
pub(crate) const DATABASE: &str = "ledgerline";
/// The tables that only those see who may read the log itself: the log, and who looked at what.
const OF_THE_LOG: [&str; 2] = ["event_log", "access_log"];

/// Whether a table is there for a principal with these rights.
pub(crate) fn sees(principal: &Principal, rights: &Rights, table: &TableDef) -> bool {
    (!OF_THE_LOG.contains(&table.name) || may_read_event_log(principal)) && rights.sees(table)
}

/// Who a session stands for.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) user: String,
    pub(crate) database: String,
    pub(crate) position: Position,
    pub(crate) backend_pid: i32,
    /// Whose connections it may end.
    pub(crate) principal: Principal,
    /// What its connection has set.
    pub(crate) settings: Settings,
}

/// A planned statement.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) logical: LogicalPlan,
    /// Names of the answer's columns; `None` leaves them as planned.
    pub(crate) names: Option<Vec<String>>,
    /// Tables of the organization that it reads.
    pub(crate) tables: Vec<String>,
}

impl Plan {
    /// The answer's columns as far as they are known before it runs.
    pub(crate) fn schema(&self) -> SchemaRef {
        renamed(self.logical.schema().as_arrow(), self.names.as_deref())
    }
}

/// A session.
pub(crate) struct SqlSession {
    state: SessionState,
    vocabulary: rewrite::Vocabulary,
    public: Arc<MemorySchemaProvider>,
    views: Vec<&'static View>,
    may_measure: bool,
    sql_bytes_max: usize,
    masked: MaskedColumns,
}

impl SqlSession {
    /// Opens a session on a snapshot. The caller has checked that the principal may query.
    pub(crate) fn open(
        engine: &Engine,
        snapshot: &Snapshot,
        past: &past::Tables,
        principal: &Principal,
        rights: &Rights,
        backend_pid: i32,
    ) -> Result<Self, QueryError> {
        let masked = MaskedColumns::default();
        let grants = Grants::of(rights, &masked);
        let visible: Vec<_> = snapshot
            .tables
            .values()
            .filter(|table| sees(principal, rights, table.def))
            .cloned()
            .collect();
        let mut files = BTreeMap::new();
        let public = Arc::new(MemorySchemaProvider::new());
        let views = views::over(&visible);
        // Which rows are granted may rest on tables that are not: their files are read all the same.
        let known: Vec<_> = match &grants {
            Some(_) => snapshot.tables.values().collect(),
            None => visible.iter().collect(),
        };
        for file in known.into_iter().flat_map(|table| table.cold.iter()) {
            files.insert(location(file)?, file.clone());
        }
        for table in &visible {
            let provider: Arc<dyn TableProvider> = match &grants {
                Some(grants) => Arc::new(grants.table(snapshot, table.def)),
                None => retention::provider(table.clone()),
            };
            public.register_table(table.def.name.to_owned(), provider)?;
        }
        let earlier = MemorySchemaProvider::new();
        for (name, (snapshot, table)) in &past.as_of {
            let Some(table) = snapshot.tables.get(table) else { continue };
            let known: Vec<_> = match &grants {
                Some(_) => snapshot.tables.values().collect(),
                None => vec![table],
            };
            for file in known.into_iter().flat_map(|table| table.cold.iter()) {
                files.insert(location(file)?, file.clone());
            }
            let provider: Arc<dyn TableProvider> = match &grants {
                Some(grants) => Arc::new(grants.table(snapshot, table.def)),
                None => retention::provider(table.clone()),
            };
            earlier.register_table(name.clone(), provider)?;
        }
        for (name, (def, rows)) in &past.rows {
            let rows = MemTable::try_new(rows.schema(), vec![vec![rows.clone()]])?;
            let provider: Arc<dyn TableProvider> = match &grants {
                Some(grants) => Arc::new(grants.rows(snapshot, def, Arc::new(rows))),
                None => Arc::new(rows),
            };
            earlier.register_table(name.clone(), provider)?;
        }
        let identity = Identity {
            user: principal.subject.clone(),
            database: DATABASE.to_owned(),
            position: snapshot.position,
            backend_pid,
            principal: principal.clone(),
            settings: engine.backends().settings(backend_pid),
        };
        let connections = engine.backends().of(principal);
        let model = Arc::new(pg::model::Model::new(
            &visible,
            &views,
            principal,
            rights,
            &identity,
            connections,
        ));
        let pg_catalog =
            Arc::new(pg::PgCatalog::new(Arc::clone(engine.statics()), Arc::clone(&model)));
        let pg_tables = pg_catalog.table_names().into_iter().collect();
        let (empty, pg_ids) = (pg_catalog.empty(), pg_catalog.ids());

        let mut config = SessionConfig::new()
            .with_default_catalog_and_schema(DATABASE, "public")
            .with_create_default_catalog_and_schema(false)
            .with_information_schema(true)
            .with_target_partitions(engine.limits().threads.max(1));
        let options = config.options_mut();
        options.sql_parser.dialect = Dialect::PostgreSQL;
        options.execution.parquet.pushdown_filters = true;
        options.execution.parquet.reorder_filters = true;
        options.execution.time_zone = Some("UTC".to_owned());

        let mut state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(engine.query_runtime(TableFiles::new(&files))?)
            .with_default_features()
            .with_analyzer_rule(round::rule())
            .with_analyzer_rule(percentiles::rule())
            .build();
        state.register_expr_planner(truth::planner())?;
        for aggregate in functions::aggregates() {
            state.register_udaf(aggregate)?;
        }
        state.register_udaf(Arc::new(single_value::aggregate()))?;
        for function in session::functions(&identity, engine.backends())
            .into_iter()
            .chain(functions::scalars())
            .chain(pg::functions::all(&model, engine.statics()))
        {
            state.register_udf(Arc::new(function))?;
        }
        for window in gapfill::windows() {
            state.register_udwf(Arc::new(window))?;
        }
        state.register_udtf(gapfill::BINS, gapfill::bins());
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema("public", Arc::clone(&public) as Arc<dyn SchemaProvider>)?;
        catalog.register_schema("pg_catalog", pg_catalog)?;
        if !earlier.table_names().is_empty() {
            catalog.register_schema(past::SCHEMA, Arc::new(earlier))?;
        }
        state.catalog_list().register_catalog(DATABASE.to_owned(), Arc::new(catalog));

        // What `now()` is, for all of the query.
        state.mark_start_execution();
        let aggregates = state.aggregate_functions().keys().cloned().collect();
        Ok(Self {
            vocabulary: rewrite::Vocabulary { pg_tables, pg_ids, empty, aggregates },
            public,
            views,
            may_measure: may_measure(principal) && grants.is_none(),
            masked,
            sql_bytes_max: engine.limits().sql_bytes_max,
            state,
        })
    }

    /// The masked columns that its questions have read.
    pub(crate) const fn masked(&self) -> &MaskedColumns {
        &self.masked
    }

    pub(crate) const fn state(&self) -> &SessionState {
        &self.state
    }

    /// Parses, checks and plans one statement.
    pub(crate) async fn plan_text(&self, sql: &str) -> Result<Plan, QueryError> {
        let statement = crate::sql::parse_one(sql, self.sql_bytes_max)?;
        self.plan(statement).await
    }

    /// Checks and plans one statement.
    pub(crate) async fn plan(&self, mut statement: Statement) -> Result<Plan, QueryError> {
        guard::check(&statement, self.may_measure)?;
        let names = names::apply(&mut statement);
        rewrite::apply(&mut statement, &self.vocabulary);
        let statement = DfStatement::Statement(Box::new(statement));
        let references = self.state.resolve_table_references(&statement)?;
        views::register(&self.views, &references, &self.state, &self.public).await?;
        let logical = self.state.statement_to_plan(statement).await?;
        SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false)
            .verify_plan(&logical)
            .map_err(|error| QueryError::NotAllowed(error.to_string()))?;
        let names = names.or_else(|| names::shown(logical.schema().as_arrow()));
        Ok(Plan { logical, names, tables: Vec::new() })
    }
}
