//! The steps of an erasure, in an order in which each crash leaves something that a repetition finishes.
//!
//! 1. `erasure.requested` is on the log, durably, with the ids of the keys.
//! 2. The keys are destroyed, durably.
//! 3. `erasure.completed` is on the log, durably, for each key.
//!
//! A crash after 1 leaves keys and an open request: repeating destroys them. A crash after 2 leaves an open
//! request whose keys are gone: repeating completes it from the ids it names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ledgerline_event_store::crypt::{CryptError, KeyRing};
use ledgerline_event_store::log::{AppendError, Direction, ReadError};
use ledgerline_event_store::{Append, EventWriter};
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::access::{ErasureCompleted, ErasureRequested};
use ledgerline_schemas::id::{CommandId, CorrelationId, EventId, KeyId, OrgId, SubjectId};
use ledgerline_schemas::{Actor, NewEvent, Position, StreamId, Timestamp, Version};
use serde::Serialize;

/// Events read at a time.
const PAGE_EVENTS: usize = 500;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct ErasureRequest {
    /// Id of the request: repeating it changes nothing once it is done.
    pub request_id: CommandId,
    /// Who asks.
    pub actor: Actor,
    /// Why; without the value that names the person.
    pub reason: String,
    /// When.
    pub time: Timestamp,
    /// The person, by every id it may have.
    pub subjects: Vec<SubjectId>,
    /// Only look.
    pub dry_run: bool,
}

/// The keys of one subject id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Erased {
    /// The person.
    pub subject_id: SubjectId,
    /// Keys that are destroyed; in a dry run, those that would be.
    pub key_ids: BTreeSet<KeyId>,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErasureReport {
    /// The request.
    pub request_id: CommandId,
    /// Whether nothing was changed because that was asked for.
    pub dry_run: bool,
    /// Subject ids under which there was something; empty when nothing of the person is here.
    pub erased: Vec<Erased>,
    /// Position of the last event of the erasure; 0 in a dry run and when there was nothing.
    pub position: Position,
}

/// An erasure stopped half-way. Repeating it finishes it.
#[derive(Debug, thiserror::Error)]
pub enum ErasureError {
    /// The log was not read.
    #[error("the erasures of the person cannot be read: {0}")]
    Read(#[from] ReadError),
    /// The log took no event.
    #[error("the erasure cannot be recorded: {0}")]
    Append(#[from] AppendError),
    /// The key file failed.
    #[error("the keys cannot be destroyed: {0}")]
    Keys(#[from] CryptError),
    /// The process stops.
    #[error("the erasure was given up because the process stops")]
    Stopped,
}

/// What the log knows of a person's erasures.
#[derive(Default)]
struct Past {
    requests: BTreeSet<CommandId>,
    /// Keys that were to be destroyed and are not reported as destroyed, by request.
    open: BTreeMap<CommandId, BTreeSet<KeyId>>,
    completed: BTreeMap<CommandId, BTreeSet<KeyId>>,
}

fn past(log: &dyn EventWriter, subject: SubjectId) -> Result<Past, ReadError> {
    let stream = StreamId::erasure(subject);
    let mut past = Past::default();
    let mut from = Version(0);
    loop {
        let page = log.read_stream(&stream, from, Direction::Forward, PAGE_EVENTS)?;
        let Some(last) = page.last() else { return Ok(past) };
        from = Version(last.header.version.0 + 1);
        for recorded in &page {
            match recorded.decode() {
                Ok(Event::ErasureRequested(it)) => {
                    past.requests.insert(it.request_id);
                    past.open.entry(it.request_id).or_default().extend(it.key_ids);
                }
                Ok(Event::ErasureCompleted(it)) => {
                    past.completed.entry(it.request_id).or_default().insert(it.key_id);
                    if let Some(open) = past.open.get_mut(&it.request_id) {
                        open.remove(&it.key_id);
                    }
                }
                _ => {}
            }
        }
        past.open.retain(|_, keys| !keys.is_empty());
    }
}

/// What is to be done for one subject id.
struct Plan {
    subject: SubjectId,
    present: BTreeSet<KeyId>,
    past: Past,
}

/// Destroys every key of a person and records it. The caller has made sure that whoever asks may.
///
/// # Errors
/// [`ErasureError`]; repeating finishes what was begun.
pub async fn erase(
    log: &Arc<dyn EventWriter>,
    keys: &KeyRing,
    request: ErasureRequest,
) -> Result<ErasureReport, ErasureError> {
    let org = log.org_id();
    let (reader, ring, subjects) = (Arc::clone(log), keys.clone(), request.subjects.clone());
    let plans = blocking(move || plans(&*reader, &ring, org, &subjects)).await?;
    let mut report = ErasureReport {
        request_id: request.request_id,
        dry_run: request.dry_run,
        erased: Vec::new(),
        position: Position::START,
    };
    let mut requested = Vec::new();
    let mut destroy = Vec::new();
    let mut completed = Vec::new();
    for Plan { subject, present, past } in plans {
        let repeated = past.requests.contains(&request.request_id);
        let open_keys: BTreeSet<KeyId> = past.open.values().flatten().copied().collect();
        if repeated && open_keys.is_empty() {
            // Done before. Whoever came back since has a fresh key, which this request was not about.
            let key_ids = past.completed.get(&request.request_id).cloned().unwrap_or_default();
            report.erased.push(Erased { subject_id: subject, key_ids });
            continue;
        }
        let key_ids: BTreeSet<KeyId> = present.union(&open_keys).copied().collect();
        if key_ids.is_empty() {
            continue;
        }
        if !repeated && !present.is_empty() {
            requested.push(event(
                &request,
                subject,
                "requested",
                &Event::ErasureRequested(ErasureRequested {
                    request_id: request.request_id,
                    subject_id: subject,
                    reason: request.reason.clone(),
                    key_ids: present.iter().copied().collect(),
                }),
            ));
        }
        // Each key is reported under the request that named it; what nobody named, under this one.
        let mut by: BTreeMap<KeyId, CommandId> =
            present.iter().map(|key_id| (*key_id, request.request_id)).collect();
        for (id, open) in &past.open {
            by.extend(open.iter().map(|key_id| (*key_id, *id)));
        }
        completed.extend(by.into_iter().map(|(key_id, by)| (subject, key_id, by)));
        destroy.push(subject);
        report.erased.push(Erased { subject_id: subject, key_ids });
    }
    if request.dry_run || destroy.is_empty() {
        return Ok(report);
    }
    if !requested.is_empty() {
        report.position = append(log, requested).await?;
    }
    let (ring, subjects) = (keys.clone(), destroy);
    let destroyed = blocking(move || Ok(ring.destroy(org, &subjects)?)).await?;
    for (subject, key_id) in destroyed {
        // A key that was made between looking and destroying.
        if !completed.iter().any(|(_, known, _)| *known == key_id) {
            completed.push((subject, key_id, request.request_id));
            let entry = report.erased.iter_mut().find(|erased| erased.subject_id == subject);
            if let Some(entry) = entry {
                entry.key_ids.insert(key_id);
            }
        }
    }
    let events = completed.into_iter().map(|(subject, key_id, request_id)| {
        let fact = ErasureCompleted { request_id, subject_id: subject, key_id };
        let name = format!("completed:{key_id}");
        event(&request, subject, &name, &Event::ErasureCompleted(fact))
    });
    report.position = append(log, events.collect()).await?;
    metrics::counter!("ledgerline_erasures_total").increment(1);
    tracing::info!(%org, request_id = %request.request_id, "a person was erased");
    Ok(report)
}

fn plans(
    log: &dyn EventWriter,
    keys: &KeyRing,
    org: OrgId,
    subjects: &[SubjectId],
) -> Result<Vec<Plan>, ErasureError> {
    let present = keys.keys_of(org, subjects)?;
    subjects
        .iter()
        .map(|subject| {
            let own = present.iter().filter(|(of, _)| of == subject);
            let present = own.map(|(_, key_id)| *key_id).collect();
            Ok(Plan { subject: *subject, present, past: past(log, *subject)? })
        })
        .collect()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ErasureError> + Send + 'static,
) -> Result<T, ErasureError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ErasureError::Stopped)?
}

async fn append(
    log: &Arc<dyn EventWriter>,
    events: Vec<NewEvent>,
) -> Result<Position, ErasureError> {
    let submitted = log.submit(Append { events, expected: Vec::new() })?;
    Ok(submitted.await?.last)
}

pub(super) fn event(
    request: &ErasureRequest,
    subject: SubjectId,
    name: &str,
    event: &Event,
) -> NewEvent {
    NewEvent {
        // Of the request, so that a repetition after a lost answer does not record it twice.
        id: EventId::derived(request.request_id.uuid(), &format!("erasure:{subject}:{name}")),
        stream: StreamId::erasure(subject),
        event_type: event.event_type().into(),
        time: request.time,
        command_id: request.request_id,
        correlation_id: CorrelationId::new(request.request_id.uuid()),
        causation_id: None,
        actor: request.actor.clone(),
        config_position: Position::START,
        traceparent: None,
        // Nothing in it is sealed: the person's key is what is destroyed.
        data_subject_id: None,
        payload: event.encode(),
    }
}
