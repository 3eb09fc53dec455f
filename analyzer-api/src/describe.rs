//! Columns of answers and tables, before anything runs.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use ledgerline_access::Principal;
use ledgerline_projections::Snapshot;
use tokio_util::sync::CancellationToken;

use crate::analyzer::{AnalyzerState, Question};
use crate::error::QueryError;

impl AnalyzerState {
    /// The tables of now, and the columns an answer from them will have, exactly: the statement is planned to the
    /// end, and not run.
    pub(crate) async fn describe(
        &self,
        question: &Question,
    ) -> Result<(Arc<Snapshot>, SchemaRef), QueryError> {
        let clockwork = self.engine.clockwork(question.cancel.clone());
        let snapshot = clockwork.bound(self.reached(question, None)).await??;
        let planning = self.plan(
            Arc::clone(&snapshot),
            question.principal.clone(),
            question.backend_pid,
            question.sql.clone(),
            None,
        );
        let (session, mut plan) = clockwork.bound(planning).await??;
        if let Some(parameters) = &question.parameters {
            plan.logical = plan.logical.with_param_values(parameters.clone())?;
        }
        let schema = clockwork.bound(self.engine.describe(session, plan)).await??;
        Ok((snapshot, schema))
    }

    /// The columns of tables of now, by schema and name, as a question for all of them would show them.
    pub(crate) async fn columns(
        &self,
        principal: &Principal,
        tables: Vec<(String, String)>,
    ) -> Result<Vec<SchemaRef>, QueryError> {
        let snapshot = self.admit(principal).await?;
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let looking = async {
            let mut columns = Vec::with_capacity(tables.len());
            for (schema, table) in tables {
                let sql = format!("SELECT * FROM {}.{}", quoted(&schema), quoted(&table));
                let planning = self.plan(Arc::clone(&snapshot), principal.clone(), 0, sql, None);
                columns.push(planning.await?.1.schema());
            }
            Ok(columns)
        };
        self.engine.clockwork(CancellationToken::new()).bound(looking).await?
    }
}
