//! One consumer's connection: events go out, acknowledgements come in.

use std::sync::Arc;

use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming};
use uuid::Uuid;

use super::group::Command;
use super::queue::{Action, ConsumerId};
use crate::kurrent::event::read_uuid;
use crate::kurrent::outlet::Outlet;
use crate::kurrent::refusal;
use crate::kurrent::wire::persistent::read_req::Content;
use crate::kurrent::wire::persistent::read_req::nack::Action as WireAction;
use crate::kurrent::wire::persistent::{ReadReq, ReadResp};
use crate::kurrent::wire::shared;

/// Passes acknowledgements on until the connection ends; then the group takes back what is not settled.
pub(crate) async fn run(
    id: ConsumerId,
    mut requests: Streaming<ReadReq>,
    group: mpsc::Sender<Command>,
    outlet: Arc<Outlet<ReadResp>>,
) {
    loop {
        let request = tokio::select! {
            biased;
            _ = outlet.ended() => break,
            request = requests.message() => request,
        };
        let command = match request {
            // A half-closed connection has nobody who could acknowledge.
            Ok(None) | Err(_) => break,
            Ok(Some(request)) => command(id, request),
        };
        let command = match command {
            Ok(command) => command,
            Err(status) => {
                outlet.fail(status).await;
                break;
            }
        };
        let stop = matches!(command, Command::Nack { stop: true, .. });
        if group.send(command).await.is_err() {
            outlet.fail(refusal::closing()).await;
            break;
        }
        if stop {
            outlet.fail(refusal::dropped("the consumer asked to stop")).await;
            break;
        }
    }
    let _ = group.send(Command::Leave(id)).await;
}

fn ids(list: &[shared::Uuid]) -> Result<Vec<Uuid>, Status> {
    list.iter().map(|id| read_uuid(Some(id), "ids")).collect()
}

fn command(consumer: ConsumerId, request: ReadReq) -> Result<Command, Status> {
    match request.content {
        Some(Content::Ack(ack)) => Ok(Command::Ack { consumer, events: ids(&ack.ids)? }),
        Some(Content::Nack(nack)) => {
            let wire = WireAction::try_from(nack.action).unwrap_or(WireAction::Unknown);
            let action = match wire {
                WireAction::Park => Action::Park,
                WireAction::Skip => Action::Skip,
                WireAction::Retry | WireAction::Unknown | WireAction::Stop => Action::Retry,
            };
            let stop = wire == WireAction::Stop;
            let events = ids(&nack.ids)?;
            Ok(Command::Nack { consumer, events, action, reason: nack.reason, stop })
        }
        Some(Content::Options(_)) => {
            Err(Status::new(Code::InvalidArgument, "options are sent once, first"))
        }
        None => Err(refusal::missing("content")),
    }
}
