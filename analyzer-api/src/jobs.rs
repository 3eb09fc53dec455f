//! Questions that run by themselves: asked once, looked at, fetched later.
//!
//! The answer is put aside in a file without a name, encrypted with a key that exists in memory only; it is gone
//! with the job, and with the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use datafusion::execution::spill_file::{SpillFile, SpillWriter};
use ledgerline_access::Principal;
use ledgerline_schemas::Position;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::analyzer::{AnalyzerState, Question};
use crate::error::QueryError;
use crate::format::{Format, Writer};

/// How long an answer can be fetched.
pub(crate) const KEPT: Duration = Duration::from_secs(15 * 60);
/// Jobs of one principal, running or kept.
pub(crate) const JOBS_MAX: usize = 8;

/// All jobs. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Jobs(Arc<Mutex<BTreeMap<Uuid, Arc<Job>>>>);

/// One question and what has become of it.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: Uuid,
    owner: Principal,
    pub(crate) format: Format,
    started: Instant,
    cancel: CancellationToken,
    state: Mutex<State>,
}

/// How far a job is.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) phase: Phase,
    /// Position of the answer, once it is known.
    pub(crate) position: Option<Position>,
    pub(crate) rows: u64,
    /// Size of the answer so far, bytes.
    pub(crate) bytes: u64,
    file: Option<Answered>,
    ended: Option<Instant>,
}

#[derive(Clone)]
struct Answered(Arc<dyn SpillFile>);

impl std::fmt::Debug for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Answered").field(&self.0.size()).finish()
    }
}

/// What a job is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Waiting for its turn, or being planned.
    Waiting,
    /// Rows are being computed.
    Running,
    /// The answer can be fetched.
    Done,
    /// There is none, and why.
    Failed(QueryError),
}

impl Phase {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed(QueryError::Cancelled) => "cancelled",
            Self::Failed(_) => "failed",
        }
    }
}

impl Job {
    fn state_mut(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn state(&self) -> State {
        self.state_mut().clone()
    }

    /// Time it has been running, or ran.
    pub(crate) fn elapsed(&self) -> Duration {
        let ended = self.state_mut().ended;
        ended.unwrap_or_else(Instant::now).duration_since(self.started)
    }

    /// The answer, if it is whole.
    pub(crate) fn answer(&self) -> Option<Arc<dyn SpillFile>> {
        let state = self.state_mut();
        if state.phase != Phase::Done {
            return None;
        }
        state.file.as_ref().map(|file| Arc::clone(&file.0))
    }

    /// A job that waits for its turn.
    fn new(owner: Principal, format: Format, cancel: CancellationToken) -> Self {
        let begun = State {
            phase: Phase::Waiting,
            position: None,
            rows: 0,
            bytes: 0,
            file: None,
            ended: None,
        };
        Self {
            // Ordered by time, so that lists are.
            id: Uuid::now_v7(),
            owner,
            format,
            started: Instant::now(),
            cancel,
            state: Mutex::new(begun),
        }
    }

    fn end(&self, outcome: Result<(), QueryError>) {
        let mut state = self.state_mut();
        state.ended = Some(Instant::now());
        state.phase = match outcome {
            Ok(()) => Phase::Done,
            Err(error) => {
                state.file = None;
                Phase::Failed(error)
            }
        };
    }

    fn is_of(&self, principal: &Principal) -> bool {
        self.owner.org_id == principal.org_id && self.owner.subject == principal.subject
    }

    /// Whether the principal may have the answer: whoever asked, as the same user, with the same profile, and with
    /// every role it was asked with. A token that was issued with less must not fetch what only that gave.
    fn is_open_to(&self, principal: &Principal) -> bool {
        self.is_of(principal)
            && self.owner.user_id == principal.user_id
            && self.owner.user_profile_id == principal.user_profile_id
            && self.owner.roles.is_subset(&principal.roles)
    }
}

impl Jobs {
    fn all(&self) -> MutexGuard<'_, BTreeMap<Uuid, Arc<Job>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The principal's own jobs, oldest first.
    pub(crate) fn of(&self, principal: &Principal) -> Vec<Arc<Job>> {
        self.all().values().filter(|job| job.is_open_to(principal)).cloned().collect()
    }

    /// One of the principal's own jobs.
    pub(crate) fn get(&self, principal: &Principal, id: Uuid) -> Option<Arc<Job>> {
        self.all().get(&id).filter(|job| job.is_open_to(principal)).cloned()
    }

    /// Stops a job and forgets its answer; false when the principal has no such job.
    pub(crate) fn remove(&self, principal: &Principal, id: Uuid) -> bool {
        let job = self.get(principal, id);
        if let Some(job) = &job {
            job.cancel.cancel();
            self.all().remove(&id);
        }
        job.is_some()
    }

    /// Starts a job; `None` when the principal has too many.
    pub(crate) fn start(
        &self,
        state: &AnalyzerState,
        mut question: Question,
        format: Format,
    ) -> Option<Arc<Job>> {
        let owner = question.principal.clone();
        let cancel = CancellationToken::new();
        question.cancel = cancel.clone();
        let job = Arc::new(Job::new(owner, format, cancel));
        let mut all = self.all();
        if all.values().filter(|it| it.is_of(&job.owner)).count() >= JOBS_MAX {
            return None;
        }
        all.insert(job.id, Arc::clone(&job));
        drop(all);
        let (jobs, analyzer, running) = (self.clone(), state.clone(), Arc::clone(&job));
        tokio::spawn(async move {
            let outcome = put_aside(&analyzer, question, &running).await;
            let id = running.id;
            running.end(outcome);
            // Nothing of the job stays here: an answer that is deleted meanwhile gives its room back at once.
            drop((analyzer, running));
            tokio::time::sleep(KEPT).await;
            jobs.all().remove(&id);
        });
        Some(job)
    }
}

/// Writes the answer to a file of the job.
async fn put_aside(
    analyzer: &AnalyzerState,
    question: Question,
    job: &Job,
) -> Result<(), QueryError> {
    let fault = |error: String| QueryError::Internal(error);
    let mut answer = analyzer.ask(question).await?;
    let file = analyzer.engine.put_aside()?;
    let mut out = file.open_writer()?;
    {
        let mut state = job.state_mut();
        state.phase = Phase::Running;
        state.position = Some(answer.position());
        state.file = Some(Answered(file));
    }
    let mut writer = Writer::new(job.format, &answer.schema(), answer.position())
        .map_err(|error| fault(error.to_string()))?;
    put(&mut *out, job, &writer.begin())?;
    while let Some(batch) = answer.next().await {
        let batch = batch?;
        let bytes = writer.batch(&batch).map_err(|error| fault(error.to_string()))?;
        put(&mut *out, job, &bytes)?;
        job.state_mut().rows += batch.num_rows() as u64;
    }
    let bytes = writer.end().map_err(|error| fault(error.to_string()))?;
    put(&mut *out, job, &bytes)?;
    out.finish()?;
    Ok(())
}

fn put(out: &mut dyn SpillWriter, job: &Job, bytes: &[u8]) -> Result<(), QueryError> {
    out.write_all(bytes).map_err(|error| {
        // What the file refuses comes back inside an error of the system.
        match error.downcast::<datafusion::error::DataFusionError>() {
            Ok(refused) => QueryError::from(refused),
            Err(error) => QueryError::Internal(error.to_string()),
        }
    })?;
    job.state_mut().bytes += bytes.len() as u64;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ledgerline_access::Role;
    use ledgerline_schemas::id::{OrgId, UserId, UserProfileId};

    use super::*;

    fn principal(org: u128, subject: &str, roles: &[Role]) -> Principal {
        Principal {
            org_id: OrgId::from_u128(org),
            subject: subject.to_owned(),
            roles: roles.iter().copied().collect::<BTreeSet<_>>(),
            user_id: None,
            user_profile_id: None,
        }
    }

    #[test]
    fn an_answer_is_for_who_asked_and_with_the_roles_of_then() {
        let both = [Role::Analyst, Role::Auditor];
        let asked = principal(1, "ann", &both);
        let job = Job::new(asked.clone(), Format::default(), CancellationToken::new());
        let more = [Role::Analyst, Role::Auditor, Role::Agent];
        for (who, open) in [
            (asked.clone(), true),
            (principal(1, "ann", &more), true),
            (principal(1, "ann", &[Role::Analyst]), false),
            (
                Principal { user_profile_id: Some(UserProfileId::from_u128(7)), ..asked.clone() },
                false,
            ),
            (Principal { user_id: Some(UserId::from_u128(7)), ..asked.clone() }, false),
            (principal(1, "bob", &both), false),
            (principal(2, "ann", &both), false),
        ] {
            assert_eq!(job.is_open_to(&who), open, "{who:?}");
        }
    }
}
