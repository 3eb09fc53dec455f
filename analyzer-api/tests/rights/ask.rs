//! Questions and their answers as text.

use std::sync::Arc;

use datafusion::arrow::array::Array as _;
use datafusion::arrow::util::display::array_value_to_string;
use ledgerline_access::Principal;
use ledgerline_analyzer_api::{AnalyzerState, Bounds, Door, Engine, Limits, QueryError, Question};
use ledgerline_projections::Snapshot;
use tokio_util::sync::CancellationToken;

use crate::support::{World, world};
use crate::world::Fixed;

/// A world whose logs take the access events of every state made here.
pub(crate) struct Asking {
    pub(crate) world: World,
    engine: Engine,
}

impl Asking {
    pub(crate) fn new() -> Self {
        Self { world: world(), engine: Engine::new(Limits::default()).expect("engine") }
    }

    /// The analyzer over these tables.
    pub(crate) fn over(&self, snapshot: Arc<Snapshot>) -> AnalyzerState {
        AnalyzerState::new(self.engine.clone(), self.world.ports(Arc::new(Fixed(snapshot))))
    }
}

pub(crate) fn question(principal: &Principal, sql: &str) -> Question {
    Question {
        principal: principal.clone(),
        door: Door::Cli,
        sql: sql.to_owned(),
        parameters: None,
        as_of: None,
        bounds: Bounds::default(),
        cancel: CancellationToken::new(),
        backend_pid: 0,
    }
}

/// The rows, one text each, in the order of the answer.
pub(crate) async fn ask(
    state: &AnalyzerState,
    principal: &Principal,
    sql: &str,
) -> Result<Vec<String>, QueryError> {
    let mut answer = state.ask(question(principal, sql)).await?;
    let mut rows = Vec::new();
    while let Some(batch) = answer.next().await {
        let batch = batch?;
        for at in 0..batch.num_rows() {
            let cells = batch.columns().iter().map(|column| {
                let is_null = column.is_null(at);
                let text = array_value_to_string(column, at).expect("text");
                if is_null { "~".to_owned() } else { text }
            });
            rows.push(cells.collect::<Vec<_>>().join("|"));
        }
    }
    Ok(rows)
}

/// The same in an order of their own.
pub(crate) async fn ask_sorted(
    state: &AnalyzerState,
    principal: &Principal,
    sql: &str,
) -> Result<Vec<String>, QueryError> {
    let mut rows = ask(state, principal, sql).await?;
    rows.sort();
    Ok(rows)
}
