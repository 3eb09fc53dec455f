//! Batch appends: many appends on one call, each answered by its correlation id.

use std::collections::BTreeMap;

use prost::Message as _;
use prost_types::Any;
use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming};
use uuid::Uuid;

use super::append::{Collected, NotTaken, Pending, Proposed, Taken, submit, writable};
use super::door::Session;
use super::event::{UuidForm, read_uuid};
use super::outlet::Outlet;
use super::wire::google::rpc;
use super::wire::shared::{self, StreamIdentifier};
use super::wire::streams::batch_append_req::options::ExpectedStreamPosition as Asked;
use super::wire::streams::batch_append_req::{Options, ProposedMessage};
use super::wire::streams::batch_append_resp::success::{CurrentRevisionOption, PositionOption};
use super::wire::streams::batch_append_resp::{ExpectedStreamPosition, Result as Outcome, Success};
use super::wire::streams::{BatchAppendReq, BatchAppendResp};
use super::{range, refusal};
use crate::log::Expected;
use ledgerline_schemas::Version;
use ledgerline_schemas::limits::APPEND_BYTES_MAX;

/// Batches of one call that are begun and not finished.
const OPEN_MAX: usize = 64;
/// Batches that wait for their sync.
const PENDING_MAX: usize = 256;

/// One batch while its parts come in.
#[derive(Debug)]
struct Open {
    options: Options,
    collected: Collected,
    failed: Option<NotTaken>,
}

/// A batch whose place in the order is known, or its refusal.
#[derive(Debug)]
struct Sent {
    correlation_id: Uuid,
    options: Options,
    outcome: Result<Pending, NotTaken>,
}

/// Takes batches until the client ends; answers in the order they were finished.
pub(crate) async fn run(
    session: Session,
    mut requests: Streaming<BatchAppendReq>,
    outlet: Outlet<BatchAppendResp>,
) {
    let (sender, mut waiting) = mpsc::channel::<Sent>(PENDING_MAX);
    let taking = async move {
        let mut open: BTreeMap<Uuid, Open> = BTreeMap::new();
        loop {
            let Some(request) = requests.message().await? else { return Ok(()) };
            if let Some(sent) = take(&session, &mut open, request)?
                && sender.send(sent).await.is_err()
            {
                return Ok(());
            }
        }
    };
    let answering = async {
        while let Some(sent) = waiting.recv().await {
            let outcome = match sent.outcome {
                Ok(pending) => pending.wait().await,
                Err(refused) => Err(refused),
            };
            if outlet.send(response(sent.correlation_id, &sent.options, outcome)).await.is_err() {
                return false;
            }
        }
        true
    };
    let taking_until_end = async {
        tokio::select! {
            taken = taking => taken,
            _ = outlet.ended() => Err(refusal::closing()),
        }
    };
    let (taken, answered): (Result<(), Status>, bool) = tokio::join!(taking_until_end, answering);
    match taken {
        Ok(()) if answered => outlet.finish(),
        Ok(()) => {}
        Err(status) => outlet.fail(status).await,
    }
}

fn take(
    session: &Session,
    open: &mut BTreeMap<Uuid, Open>,
    request: BatchAppendReq,
) -> Result<Option<Sent>, Status> {
    let id = read_uuid(request.correlation_id.as_ref(), "correlation_id")?;
    let mut batch = match (open.remove(&id), request.options) {
        (Some(batch), _) => batch,
        (None, Some(options)) => Open { options, collected: Collected::default(), failed: None },
        (None, None) => return Err(refusal::missing("options")),
    };
    for message in request.proposed_messages {
        if batch.failed.is_none()
            && let Err(refused) =
                proposed(message).and_then(|it| batch.collected.add(it, session.house.as_ref()))
        {
            batch.failed = Some(refused);
            batch.collected = Collected::default();
        }
    }
    if !request.is_final {
        open.insert(id, batch);
        let bytes: usize = open.values().map(|batch| batch.collected.bytes()).sum();
        if open.len() > OPEN_MAX || bytes > 2 * APPEND_BYTES_MAX {
            return Err(Status::resource_exhausted("too many unfinished batches"));
        }
        return Ok(None);
    }
    let Open { options, collected, failed } = batch;
    let outcome = match failed {
        Some(refused) => Err(refused),
        None => place(session, &options, collected),
    };
    Ok(Some(Sent { correlation_id: id, options, outcome }))
}

fn place(session: &Session, options: &Options, events: Collected) -> Result<Pending, NotTaken> {
    let bad = |status: Status| NotTaken::Bad(status.message().to_owned());
    let stream = range::stream(options.stream_identifier.as_ref()).map_err(bad)?;
    let stream = writable(stream)?;
    let expected = match &options.expected_stream_position {
        Some(Asked::StreamPosition(version)) => Expected::Exact(Version(*version)),
        Some(Asked::NoStream(())) => Expected::NoStream,
        Some(Asked::StreamExists(())) => Expected::Exists,
        Some(Asked::Any(())) | None => Expected::Any,
    };
    submit(session, stream, expected, events)
}

fn proposed(message: ProposedMessage) -> Result<Proposed, NotTaken> {
    let id = read_uuid(message.id.as_ref(), "proposed_messages.id")
        .map_err(|status| NotTaken::Bad(status.message().to_owned()))?;
    Ok(Proposed {
        id,
        metadata: message.metadata,
        custom_metadata: message.custom_metadata.into(),
        data: message.data.into(),
    })
}

fn response(id: Uuid, options: &Options, outcome: Result<Taken, NotTaken>) -> BatchAppendResp {
    let result = match outcome {
        Ok(taken) => Outcome::Success(Success {
            current_revision_option: Some(match taken.revision {
                Some(version) => CurrentRevisionOption::CurrentRevision(version.0),
                None => CurrentRevisionOption::NoStream(()),
            }),
            position_option: Some(match taken.position {
                Some(position) => PositionOption::Position(shared::AllStreamPosition {
                    commit_position: position.0,
                    prepare_position: position.0,
                }),
                None => PositionOption::NoPosition(()),
            }),
        }),
        Err(refused) => Outcome::Error(error(&refused)),
    };
    BatchAppendResp {
        correlation_id: Some(UuidForm::Text.write(id)),
        stream_identifier: Some(StreamIdentifier {
            stream_name: options
                .stream_identifier
                .as_ref()
                .map(|it| it.stream_name.clone())
                .unwrap_or_default(),
        }),
        expected_stream_position: Some(match &options.expected_stream_position {
            Some(Asked::StreamPosition(at)) => ExpectedStreamPosition::StreamPosition(*at),
            Some(Asked::NoStream(())) => ExpectedStreamPosition::NoStream(()),
            Some(Asked::StreamExists(())) => ExpectedStreamPosition::StreamExists(()),
            Some(Asked::Any(())) | None => ExpectedStreamPosition::Any(()),
        }),
        result: Some(result),
    }
}

fn detail(name: &str, value: Vec<u8>) -> Any {
    Any { type_url: format!("type.googleapis.com/event_store.client.{name}"), value }
}

/// The error of one batch: clients look at the one detail.
fn error(refused: &NotTaken) -> rpc::Status {
    use shared::wrong_expected_version::{
        CurrentStreamRevisionOption as Current, ExpectedStreamPositionOption as Wanted,
    };
    let status = refused.status();
    let (code, detail) = match refused {
        NotTaken::Denied(_) => (
            Code::PermissionDenied,
            detail("AccessDenied", shared::AccessDenied {}.encode_to_vec()),
        ),
        NotTaken::WrongVersion { expected, actual } => {
            let wrong = shared::WrongExpectedVersion {
                current_stream_revision_option: Some(match actual {
                    Some(version) => Current::CurrentStreamRevision(version.0),
                    None => Current::CurrentNoStream(()),
                }),
                expected_stream_position_option: Some(match expected {
                    Expected::Any => Wanted::ExpectedAny(()),
                    Expected::NoStream => Wanted::ExpectedNoStream(()),
                    Expected::Exists => Wanted::ExpectedStreamExists(()),
                    Expected::Exact(version) => Wanted::ExpectedStreamPosition(version.0),
                }),
            };
            let bytes = wrong.encode_to_vec();
            (Code::FailedPrecondition, detail("WrongExpectedVersion", bytes))
        }
        NotTaken::TooLarge { limit } => {
            let max_append_size = u32::try_from(*limit).unwrap_or(u32::MAX);
            let bytes = shared::MaximumAppendSizeExceeded { max_append_size }.encode_to_vec();
            (Code::InvalidArgument, detail("MaximumAppendSizeExceeded", bytes))
        }
        NotTaken::MissingProperty(_) | NotTaken::Bad(_) => {
            let message = status.message().to_owned();
            let bytes = shared::BadRequest { message }.encode_to_vec();
            (Code::InvalidArgument, detail("BadRequest", bytes))
        }
        NotTaken::Unavailable(_) => {
            (Code::Unavailable, detail("Timeout", shared::Timeout {}.encode_to_vec()))
        }
        NotTaken::Unknown(_) => {
            (Code::Unknown, detail("Unknown", shared::Unknown {}.encode_to_vec()))
        }
    };
    rpc::Status { code: code as i32, message: status.message().to_owned(), details: Some(detail) }
}
