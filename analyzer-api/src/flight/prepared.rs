//! Prepared statements: a text, the types of its parameters, and the values that were bound last.
//!
//! They are kept here and not in their handle, so that clients that do not take a new handle after binding are
//! served too. A statement is planned again for each execution, on the tables of that moment.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::ParamValues;
use datafusion::scalar::ScalarValue;
use ledgerline_access::Principal;
use ledgerline_schemas::id::OrgId;
use tonic::{Code, Status};
use uuid::Uuid;

use super::plain;
use super::status::{internal, invalid, with_code};

/// Statements of one principal; a further one is refused.
const STATEMENTS_MAX: usize = 256;

/// A prepared statement.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) sql: String,
    /// Types of `$1`, `$2` …, as far as the statement tells them.
    pub(super) parameters: Vec<Option<DataType>>,
    /// The columns as far as they are known before parameters are bound.
    pub(super) schema: SchemaRef,
    /// Values of the parameters, an Arrow IPC stream of one row; empty: none were bound.
    pub(super) bound: Vec<u8>,
}

#[derive(Debug)]
struct Kept {
    owner: (OrgId, String),
    statement: Statement,
    used: Instant,
}

/// The prepared statements of everybody.
#[derive(Debug)]
pub(super) struct Prepared {
    all: Mutex<BTreeMap<Uuid, Kept>>,
    idle: Duration,
}

fn owner(principal: &Principal) -> (OrgId, String) {
    (principal.org_id, principal.subject.clone())
}

impl Prepared {
    /// Statements that end `idle` after their last use.
    pub(super) fn new(idle: Duration) -> Self {
        Self { all: Mutex::default(), idle }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Uuid, Kept>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a statement; its handle.
    pub(super) fn add(&self, principal: &Principal, statement: Statement) -> Result<Uuid, Status> {
        let owner = owner(principal);
        let mut all = self.all();
        if all.values().filter(|it| it.owner == owner).count() >= STATEMENTS_MAX {
            let reason = format!("{STATEMENTS_MAX} statements are prepared already; close some");
            return Err(with_code(Code::ResourceExhausted, "too_many_statements", &reason));
        }
        let handle = Uuid::new_v4();
        all.insert(handle, Kept { owner, statement, used: Instant::now() });
        Ok(handle)
    }

    /// The principal's own statement.
    pub(super) fn get(&self, principal: &Principal, handle: &[u8]) -> Result<Statement, Status> {
        self.with(principal, handle, |statement| statement.clone())
    }

    /// Binds parameters.
    pub(super) fn bind(
        &self,
        principal: &Principal,
        handle: &[u8],
        bound: Vec<u8>,
    ) -> Result<(), Status> {
        self.with(principal, handle, |statement| statement.bound = bound)
    }

    /// Forgets a statement; nothing happens when there is none.
    pub(super) fn close(&self, principal: &Principal, handle: &[u8]) {
        let owner = owner(principal);
        let mut all = self.all();
        if let Ok(handle) = Uuid::from_slice(handle)
            && all.get(&handle).is_some_and(|kept| kept.owner == owner)
        {
            all.remove(&handle);
        }
    }

    fn with<T>(
        &self,
        principal: &Principal,
        handle: &[u8],
        work: impl FnOnce(&mut Statement) -> T,
    ) -> Result<T, Status> {
        let gone = || {
            let reason = "the prepared statement is not known: it was closed, or not used for long";
            with_code(Code::NotFound, "unknown_statement", reason)
        };
        let handle = Uuid::from_slice(handle).map_err(|_| gone())?;
        let (owner, idle) = (owner(principal), self.idle);
        let mut all = self.all();
        let kept = all.get_mut(&handle).ok_or_else(gone)?;
        if kept.owner != owner || kept.used.elapsed() >= idle {
            return Err(gone());
        }
        kept.used = Instant::now();
        Ok(work(&mut kept.statement))
    }

    /// Forgets those that were not used for too long.
    pub(super) fn sweep(&self) {
        self.all().retain(|_, kept| kept.used.elapsed() < self.idle);
    }
}

impl Statement {
    /// The parameters as a client is told; one whose type nothing tells is text.
    pub(super) fn parameter_schema(&self) -> SchemaRef {
        let fields = self.parameters.iter().enumerate().map(|(index, known)| {
            let data_type = known.clone().unwrap_or(DataType::Utf8);
            Field::new(format!("${}", index + 1), data_type, true)
        });
        plain::schema(&Schema::new(fields.collect::<Vec<_>>()))
    }

    /// One row of parameters, in order, as it is kept.
    pub(super) fn row(&self, batches: &[RecordBatch]) -> Result<Vec<u8>, Status> {
        let mut rows = batches.iter().filter(|batch| batch.num_rows() > 0);
        let (row, None) = (rows.next(), rows.next()) else { return Err(one_row()) };
        let Some(row) = row else {
            return if self.parameters.is_empty() { Ok(Vec::new()) } else { Err(one_row()) };
        };
        if row.num_rows() > 1 {
            return Err(one_row());
        }
        self.check(row.num_columns())?;
        let mut fields = Vec::new();
        let mut columns = Vec::new();
        for (index, (column, known)) in row.columns().iter().zip(&self.parameters).enumerate() {
            let name = format!("${}", index + 1);
            let wanted = known.as_ref().unwrap_or_else(|| column.data_type());
            let strict = CastOptions { safe: false, ..CastOptions::default() };
            let value = cast_with_options(column, wanted, &strict)
                .map_err(|error| invalid(&format!("parameter {name}: {error}")))?;
            fields.push(Field::new(name, value.data_type().clone(), true));
            columns.push(value);
        }
        if columns.is_empty() {
            return Ok(Vec::new());
        }
        let row = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns);
        row.and_then(|row| written(&row)).map_err(|error| internal(&error))
    }

    /// Refuses another number of parameters than there are.
    fn check(&self, bound: usize) -> Result<(), Status> {
        let wanted = self.parameters.len();
        if bound == wanted {
            return Ok(());
        }
        Err(invalid(&format!("parameters: the statement has {wanted}, {bound} were bound")))
    }

    /// Refuses to run when parameters are missing.
    pub(super) fn check_bound(&self) -> Result<(), Status> {
        if self.bound.is_empty() { self.check(0) } else { Ok(()) }
    }
}

fn one_row() -> Status {
    invalid("parameters: bind exactly one row")
}

fn written(row: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let mut writer = StreamWriter::try_new(Vec::new(), &row.schema())?;
    writer.write(row)?;
    writer.finish()?;
    writer.into_inner()
}

/// The values of a row as it is kept.
///
/// # Errors
/// When it is not one.
pub(super) fn values(kept: &[u8]) -> Result<Option<ParamValues>, Status> {
    if kept.is_empty() {
        return Ok(None);
    }
    let fault = |error: ArrowError| internal(&error);
    let mut reader = StreamReader::try_new(Cursor::new(kept), None).map_err(fault)?;
    let row = reader.next().ok_or_else(one_row)?.map_err(fault)?;
    let scalars = row.columns().iter().map(|column| ScalarValue::try_from_array(column, 0));
    let scalars = scalars.collect::<Result<Vec<_>, _>>().map_err(|error| internal(&error))?;
    Ok(Some(ParamValues::from(scalars)))
}
