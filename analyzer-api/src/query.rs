//! Questions to a snapshot at hand, without a server: `ledgerline sql --data DIR`.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use ledgerline_access::Principal;
use ledgerline_projections::rights::Directory;
use ledgerline_projections::{Rights, Snapshot};
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::error::QueryError;
use crate::format::{self, FormatError};
use crate::limits::Limits;
use crate::past::Tables;
use crate::session::SqlSession;

/// A whole answer.
pub type Rows = (SchemaRef, Vec<RecordBatch>);

/// Answers one question from a snapshot, under the default limits. The caller records the access.
///
/// # Errors
/// [`QueryError`].
pub async fn run_local(
    snapshot: Arc<Snapshot>,
    principal: &Principal,
    sql: &str,
) -> Result<Rows, QueryError> {
    let engine = Engine::new(Limits::default())?;
    let clockwork = engine.clockwork(CancellationToken::new());
    let rights = Rights::of(principal, &Directory::of(&snapshot))
        .map_err(|nothing| QueryError::NotAllowed(nothing.to_string()))?;
    let (session_engine, principal, sql) = (engine.clone(), principal.clone(), sql.to_owned());
    let (session, plan) = engine
        .compute(async move {
            let session = Arc::new(SqlSession::open(
                &session_engine,
                &snapshot,
                &Tables::default(),
                &principal,
                &rights,
                0,
            )?);
            let plan = session.plan_text(&sql).await?;
            Ok((session, plan))
        })
        .await?;
    let mut rows = engine.run(session, plan, clockwork).await?;
    let mut batches = Vec::new();
    while let Some(batch) = rows.next().await {
        batches.push(batch?);
    }
    Ok((Arc::clone(&rows.schema), batches))
}

/// Form of a whole answer on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Padded columns.
    Table,
    /// RFC 4180 with a header line.
    Csv,
    /// One JSON array of objects.
    Json,
}

/// Writes a whole answer as text.
///
/// # Errors
/// [`FormatError`] if a value has no such form.
pub fn render(rows: &Rows, output: Output) -> Result<String, FormatError> {
    let (schema, batches) = rows;
    Ok(match output {
        Output::Table => format::table::render(schema, batches)?,
        Output::Csv => {
            let mut text = format::csv::header(schema);
            for batch in batches {
                text.push_str(&format::csv::lines(batch)?);
            }
            text
        }
        Output::Json => {
            let mut elements = Vec::new();
            for batch in batches.iter().filter(|batch| batch.num_rows() > 0) {
                if !elements.is_empty() {
                    elements.extend_from_slice(b",\n");
                }
                elements.extend(format::json::elements(batch)?);
            }
            format!("[{}]\n", String::from_utf8_lossy(&elements))
        }
    })
}
