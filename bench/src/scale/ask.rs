//! The product's SQL engine over the tables of a folder.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::record_batch::RecordBatch;
use ledgerline_access::{AccessError, Principal, Role};
use ledgerline_analyzer_api::ports::{
    AccessRecorder, AuthError, Authenticator, LogSource, Recording, ScramStore, ScramVerifier,
    SnapshotSource, Snapshotting, Verifying,
};
use ledgerline_analyzer_api::query::{Output, render};
use ledgerline_analyzer_api::{AnalyzerState, Bounds, Door, Engine, Limits, Ports, Question};
use ledgerline_event_store::EventReader;
use ledgerline_projections::{ColdFile, Past, Snapshot, TableDef, TableSnapshot, schema};
use ledgerline_schemas::id::OrgId;
use ledgerline_schemas::{Event, Position};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Failure;
use super::process::{cpu_s, peak_bytes};
use super::queries::{NAMES, text};
use super::random::Random;
use super::result::{Mixed, Run, Timed};
use super::table::{AGENT_TEAM, LEG};

/// The organization of the tables.
pub const ORG: OrgId = OrgId::from_u128(1);
/// The name of this engine in files.
pub const ENGINE: &str = "ledgerline";

/// Tables that do not move.
#[derive(Debug)]
struct Still(Arc<Snapshot>);

impl SnapshotSource for Still {
    fn snapshot(&self, _: OrgId, _: Duration) -> Snapshotting<'_> {
        Box::pin(std::future::ready(Some(Arc::clone(&self.0))))
    }

    fn past(&self, _: OrgId) -> Option<Arc<Past>> {
        None
    }
}

/// What stands in for the other parts around the analyzer: access events go nowhere.
#[derive(Debug)]
struct Nobody;

impl LogSource for Nobody {
    fn reader(&self, _: OrgId) -> Option<Arc<dyn EventReader>> {
        None
    }
}

impl AccessRecorder for Nobody {
    fn record(&self, _: &Principal, _: Event) -> Recording<'_> {
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Authenticator for Nobody {
    fn verify<'a>(&'a self, _: &'a str) -> Verifying<'a> {
        Box::pin(std::future::ready(Err(AccessError::Malformed(
            "there are no tokens here".to_owned(),
        ))))
    }
}

impl ScramStore for Nobody {
    fn verifier(&self, _: &str) -> Result<ScramVerifier, AuthError> {
        Err(AuthError("there are no users here".to_owned()))
    }
}

fn table(folder: &Path, def: &'static TableDef) -> Result<TableSnapshot, Failure> {
    let mut paths = fs::read_dir(folder.join(def.name))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    let cold = paths
        .into_iter()
        .map(|path| {
            let bytes = fs::metadata(&path)?.len();
            let reader = SerializedFileReader::new(File::open(&path)?)?;
            let rows = u64::try_from(reader.metadata().file_metadata().num_rows())?;
            Ok(ColdFile::plain(path, rows, bytes))
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    Ok(TableSnapshot {
        kept: Default::default(),
        def,
        schema: schema(def),
        cold: cold.into(),
        hot: Arc::new([]),
    })
}

/// The analyzer over a folder, with these limits.
///
/// # Errors
/// If the folder does not hold the tables.
pub fn open(folder: &Path, limits: Limits) -> Result<AnalyzerState, Failure> {
    let tables = [&LEG, &AGENT_TEAM].map(|def| Ok((def.name, table(folder, def)?)));
    let tables = tables.into_iter().collect::<Result<BTreeMap<_, _>, Failure>>()?;
    let snapshot =
        Snapshot { org_id: ORG, position: Position(1), epoch: 1, tables, live: BTreeMap::new() };
    over(Arc::new(Still(Arc::new(snapshot))), limits)
}

/// The analyzer over these tables, with these limits.
///
/// # Errors
/// If the engine does not start.
pub fn over(snapshots: Arc<dyn SnapshotSource>, limits: Limits) -> Result<AnalyzerState, Failure> {
    let nobody = Arc::new(Nobody);
    let ports = Ports {
        snapshots,
        logs: nobody.clone(),
        recorder: nobody.clone(),
        authenticator: nobody.clone(),
        scram: nobody,
    };
    Ok(AnalyzerState::new(Engine::new(limits)?, ports))
}

/// Limits of a run: two threads, so much memory for all questions, as much for each.
#[must_use]
pub fn limits(memory_bytes: usize) -> Limits {
    Limits {
        threads: 2,
        query_memory_bytes: memory_bytes,
        total_memory_bytes: memory_bytes,
        deadline: Duration::from_secs(600),
        ..Limits::default()
    }
}

/// A whole answer.
///
/// # Errors
/// If there is none.
pub async fn ask(state: &AnalyzerState, sql: &str) -> Result<Vec<RecordBatch>, Failure> {
    let principal = Principal {
        org_id: ORG,
        subject: "bench".to_owned(),
        roles: [Role::Administrator].into(),
        user_id: None,
        user_profile_id: None,
    };
    let question = Question {
        principal,
        door: Door::Cli,
        sql: sql.to_owned(),
        parameters: None,
        as_of: None,
        bounds: Bounds::default(),
        cancel: CancellationToken::new(),
        backend_pid: 0,
    };
    let mut answer = state.ask(question).await?;
    let mut batches = vec![RecordBatch::new_empty(answer.schema())];
    while let Some(batch) = answer.next().await {
        batches.push(batch?);
    }
    Ok(batches)
}

/// Asks every question, or one of them, so many times; keeps the answers as `NAME.ledgerline.csv`.
///
/// # Errors
/// If a question is not answered.
pub async fn one_by_one(
    state: &AnalyzerState,
    (queries, interaction): (&Path, Uuid),
    answers: &Path,
    rounds: usize,
    only: Option<&str>,
) -> Result<Run, Failure> {
    let mut run = Run {
        engine: ENGINE.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Run::default()
    };
    if let Some(name) = only.filter(|name| !NAMES.contains(name)) {
        return Err(format!("--only {name}: there are {}", NAMES.join(", ")).into());
    }
    for name in NAMES.into_iter().filter(|name| only.is_none_or(|only| only == *name)) {
        let sql = text(queries, name, ENGINE, interaction)?;
        let mut timed = Timed::default();
        for round in 0..rounds {
            let (began, cpu) = (Instant::now(), cpu_s());
            let batches = ask(state, &sql).await.map_err(|error| format!("{name}: {error}"))?;
            timed.wall_s.push(began.elapsed().as_secs_f64());
            timed.cpu_s.push(cpu_s() - cpu);
            if round == 0 {
                timed.rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
                if let Some(schema) = batches.first().map(RecordBatch::schema) {
                    let text = render(&(schema, batches), Output::Csv)?;
                    fs::write(answers.join(format!("{name}.{ENGINE}.csv")), text)?;
                }
            }
        }
        run.questions.insert(name.to_owned(), timed);
    }
    run.peak_bytes = peak_bytes();
    Ok(run)
}

/// Several askers at once, each through all questions in an order of its own.
///
/// # Errors
/// If a question is not answered.
pub async fn mixed(
    state: &AnalyzerState,
    (queries, interaction): (&Path, Uuid),
    clients: usize,
) -> Result<Mixed, Failure> {
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..clients {
        let texts = NAMES.map(|name| text(queries, name, ENGINE, interaction));
        let mut texts = texts.into_iter().collect::<Result<Vec<_>, _>>()?;
        shuffle(&mut texts, &mut Random::new(client as u64));
        let state = state.clone();
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            for sql in texts {
                let began = Instant::now();
                ask(&state, &sql).await?;
                latencies.push(began.elapsed().as_secs_f64());
            }
            Ok::<_, Failure>(latencies)
        });
    }
    let mut latencies_s = Vec::new();
    while let Some(done) = tasks.join_next().await {
        latencies_s.extend(done??);
    }
    let seconds = began.elapsed().as_secs_f64();
    Ok(Mixed { clients, seconds, latencies_s, peak_bytes: peak_bytes() })
}

/// Fisher and Yates.
fn shuffle<T>(items: &mut [T], random: &mut Random) {
    for last in (1..items.len()).rev() {
        items.swap(last, random.below(last as u64 + 1) as usize);
    }
}
