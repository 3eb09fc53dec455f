//! Cursors: a question whose rows are fetched piece by piece (`DECLARE`, `FETCH`, `CLOSE`).
//!
//! A cursor reads forward only. It is there until it is closed, its transaction or its connection ends, or
//! the deadline of its question passes: it holds one of the engine's turns, which nobody may keep by doing
//! nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::sql::sqlparser::ast::{
    CloseCursor, Declare, DeclareType, FetchDirection, Statement, Value, ValueWithSpan,
};
use futures::{StreamExt, stream};
use pgwire::api::portal::Format;
use pgwire::api::results::{QueryResponse, Tag};
use pgwire::error::PgWireResult;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::connection::error;
use super::encode::{encoded, fields};
use crate::analyzer::Answer;
use crate::error::QueryError;

/// Cursors that a connection may have at once.
const CURSORS_MAX: usize = 8;

/// The question of a cursor that is declared, and how it is kept.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    /// Its name.
    pub(super) name: String,
    /// Whether it outlives its transaction.
    pub(super) hold: bool,
    /// What it asks.
    pub(super) question: Statement,
}

/// Reads `DECLARE`; `None` for any other statement.
///
/// # Errors
/// [`QueryError::Unsupported`] for what no cursor here can do.
pub(super) fn declared(statement: &Statement) -> Option<Result<Declared, QueryError>> {
    let Statement::Declare { stmts } = statement else { return None };
    let refused =
        |what: &str| Some(Err(QueryError::Unsupported(format!("{what} is not supported"))));
    let [declare] = stmts.as_slice() else { return refused("DECLARE of several cursors") };
    let Declare {
        names,
        data_type: None,
        assignment: None,
        declare_type: Some(DeclareType::Cursor),
        binary,
        sensitive: _,
        scroll,
        hold,
        for_query: Some(query),
    } = declare
    else {
        return refused("DECLARE of anything but a cursor");
    };
    let [name] = names.as_slice() else { return refused("DECLARE of several cursors") };
    if *binary == Some(true) {
        return refused("a BINARY cursor");
    }
    if *scroll == Some(true) {
        return refused("a SCROLL cursor");
    }
    Some(Ok(Declared {
        name: name.value.clone(),
        hold: *hold == Some(true),
        question: Statement::Query(query.clone()),
    }))
}

/// The cursor that `FETCH` names and how many rows it wants; `None` for any other statement.
///
/// # Errors
/// Backward and absolute movement is refused as PostgreSQL refuses it for a cursor without scroll.
pub(super) fn fetched(statement: &Statement) -> Option<PgWireResult<(String, usize)>> {
    let Statement::Fetch { name, direction, position: _, into } = statement else { return None };
    let count = |value: &ValueWithSpan| match &value.value {
        Value::Number(text, _) => text.parse().ok(),
        _ => None,
    };
    let wanted = match direction {
        FetchDirection::Count { limit } | FetchDirection::Forward { limit: Some(limit) } => {
            count(limit)
        }
        FetchDirection::Next | FetchDirection::Forward { limit: None } => Some(1),
        FetchDirection::All | FetchDirection::ForwardAll => Some(usize::MAX),
        _ => None,
    };
    Some(match wanted {
        Some(wanted) if into.is_none() => Ok((name.value.clone(), wanted)),
        _ => Err(error("55000", "a cursor can only be read forward")),
    })
}

struct Cursor {
    schema: SchemaRef,
    hold: bool,
    rows: Arc<Mutex<Rows>>,
    /// Ends the watch over the deadline.
    _closed: DropGuard,
}

/// What is left of the answer; `None` after the deadline.
struct Rows {
    answer: Option<Answer>,
    /// Rows that came and were not fetched.
    pending: Option<RecordBatch>,
}

/// The cursors of a connection.
#[derive(Default)]
pub(super) struct Cursors(Mutex<BTreeMap<String, Cursor>>);

impl fmt::Debug for Cursors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cursors")
    }
}

impl Cursors {
    /// Opens a cursor over an answer that is there until `deadline` from now.
    pub(super) async fn open(
        &self,
        declared: &Declared,
        answer: Answer,
        deadline: Duration,
    ) -> PgWireResult<Tag> {
        let mut cursors = self.0.lock().await;
        if cursors.contains_key(&declared.name) {
            return Err(error("42P03", &format!("cursor \"{}\" already exists", declared.name)));
        }
        if cursors.len() >= CURSORS_MAX {
            return Err(error("54000", &format!("a connection has at most {CURSORS_MAX} cursors")));
        }
        let schema = answer.schema();
        let rows = Arc::new(Mutex::new(Rows { answer: Some(answer), pending: None }));
        let closed = CancellationToken::new();
        let (watched, ends) = (Arc::clone(&rows), closed.clone());
        tokio::spawn(async move {
            if tokio::time::timeout(deadline, ends.cancelled()).await.is_err() {
                let mut rows = watched.lock().await;
                (rows.answer, rows.pending) = (None, None);
            }
        });
        let cursor = Cursor { schema, hold: declared.hold, rows, _closed: closed.drop_guard() };
        cursors.insert(declared.name.clone(), cursor);
        Ok(Tag::new("DECLARE CURSOR"))
    }

    /// The columns of a cursor.
    pub(super) async fn schema(&self, name: &str) -> PgWireResult<SchemaRef> {
        let cursors = self.0.lock().await;
        Ok(Arc::clone(&cursors.get(name).ok_or_else(|| unknown(name))?.schema))
    }

    /// The next rows of a cursor.
    pub(super) async fn fetch(
        &self,
        name: &str,
        wanted: usize,
        format: &Format,
    ) -> PgWireResult<QueryResponse> {
        let (schema, rows) = {
            let cursors = self.0.lock().await;
            let cursor = cursors.get(name).ok_or_else(|| unknown(name))?;
            (Arc::clone(&cursor.schema), Arc::clone(&cursor.rows))
        };
        let fields = Arc::new(fields(&schema, format)?);
        let rows = rows.lock_owned().await;
        let pieces = stream::unfold((rows, wanted), |(mut rows, left)| async move {
            let piece = next(&mut rows, left).await?;
            let count = piece.as_ref().map_or(left, RecordBatch::num_rows);
            Some((piece, (rows, left - count)))
        });
        let row_fields = Arc::clone(&fields);
        let rows = pieces.flat_map(move |piece| encoded(piece, &row_fields));
        let mut response = QueryResponse::new(fields, rows);
        response.set_command_tag("FETCH");
        Ok(response)
    }

    /// Carries `CLOSE` out.
    pub(super) async fn close(&self, which: &CloseCursor) -> PgWireResult<Tag> {
        let mut cursors = self.0.lock().await;
        match which {
            CloseCursor::All => cursors.clear(),
            CloseCursor::Specific { name } => {
                cursors.remove(&name.value).ok_or_else(|| unknown(&name.value))?;
            }
        }
        Ok(Tag::new("CLOSE CURSOR"))
    }

    /// The end of a transaction closes the cursors that are not to outlive it.
    pub(super) async fn end_transaction(&self) {
        self.0.lock().await.retain(|_, cursor| cursor.hold);
    }
}

fn unknown(name: &str) -> pgwire::error::PgWireError {
    error("34000", &format!("cursor \"{name}\" does not exist"))
}

/// At most `wanted` rows; `None` when there are no more, or enough of them.
async fn next(
    rows: &mut OwnedMutexGuard<Rows>,
    wanted: usize,
) -> Option<Result<RecordBatch, QueryError>> {
    if wanted == 0 {
        return None;
    }
    let batch = match rows.pending.take() {
        Some(batch) => batch,
        None => loop {
            let Some(answer) = &mut rows.answer else { return Some(Err(passed())) };
            match answer.next().await? {
                Ok(batch) if batch.num_rows() == 0 => {}
                Ok(batch) => break batch,
                Err(error) => return Some(Err(error)),
            }
        },
    };
    if batch.num_rows() > wanted {
        rows.pending = Some(batch.slice(wanted, batch.num_rows() - wanted));
        return Some(Ok(batch.slice(0, wanted)));
    }
    Some(Ok(batch))
}

fn passed() -> QueryError {
    QueryError::Value("the cursor is over: the deadline of its question has passed".to_owned())
}
