//! Answers from the past, computed on threads of their own and given up when nobody waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ledgerline_projections::{Past, ProjectionError, Rights, Snapshot, Wanted};
use ledgerline_schemas::Position;

use super::{Asked, Requests, Tables, changes};
use crate::engine::Engine;
use crate::error::QueryError;

/// Says that nobody waits, when it goes.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Runs work that asks from time to time whether to go on.
async fn away<T: Send + 'static>(
    engine: &Engine,
    work: impl FnOnce(&(dyn Fn() -> bool + Sync)) -> Result<T, QueryError> + Send + 'static,
) -> Result<T, QueryError> {
    let _turn = engine.turn_of_the_past().await?;
    let awaited = Arc::new(AtomicBool::new(true));
    let _waiting = Waiting(Arc::clone(&awaited));
    tokio::task::spawn_blocking(move || work(&|| awaited.load(Ordering::Relaxed)))
        .await
        .map_err(|error| QueryError::Internal(error.to_string()))?
}

/// All tables at an earlier position.
///
/// # Errors
/// [`QueryError::Value`] for a position that is not reached; [`QueryError::Internal`].
pub(crate) async fn at(
    engine: &Engine,
    past: Arc<Past>,
    position: Position,
) -> Result<Arc<Snapshot>, QueryError> {
    away(engine, move |going_on| past.snapshot_at(position, going_on).map_err(failed)).await
}

/// The tables that stand for the requests.
///
/// # Errors
/// As [`at`]; [`QueryError::Rows`] when there are more changes than an answer may have.
pub(crate) async fn resolve(
    engine: &Engine,
    past: Arc<Past>,
    requests: Requests,
    rights: Rights,
) -> Result<Tables, QueryError> {
    let changes_max = engine.limits().changes_max;
    away(engine, move |going_on| {
        let mut tables = Tables::default();
        for (name, asked) in requests {
            match asked {
                Asked::AsOf { table, at } => {
                    let snapshot = past.snapshot_at(at, going_on).map_err(failed)?;
                    tables.as_of.insert(name, (snapshot, table.name));
                }
                Asked::Changes { table, from, to, key } => {
                    let rights = rights.clone();
                    let wanted = Wanted { table, from, to, key, rights, changes_max };
                    let found = past.changes(&wanted, going_on).map_err(failed)?;
                    tables.rows.insert(name, (table, changes::batch(table, &found)?));
                }
                Asked::Check { table, from, to } => {
                    let found = past.check(table, from, to, going_on).map_err(failed)?;
                    tables.rows.insert(name, (table, changes::checks(table, &found)?));
                }
            }
        }
        Ok(tables)
    })
    .await
}

fn failed(error: ProjectionError) -> QueryError {
    match error {
        ProjectionError::NotYet { .. } | ProjectionError::Removed(_) => {
            QueryError::Value(error.to_string())
        }
        ProjectionError::TooMany { max } => QueryError::Rows(max as u64),
        ProjectionError::Cancelled => QueryError::Cancelled,
        other => QueryError::Internal(other.to_string()),
    }
}
