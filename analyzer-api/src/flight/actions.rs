//! Actions that Flight itself defines: cancelling, and ending a session.

use arrow_flight::{Action, ActionType, CancelFlightInfoRequest, CancelFlightInfoResult};
use ledgerline_access::Principal;
use prost::Message;
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::service::Service;
use super::status;

/// `CancelFlightInfo`: of `Flight.proto`.
const CANCEL_FLIGHT_INFO: &str = "CancelFlightInfo";
/// `CloseSession`: of `Flight.proto`.
const CLOSE_SESSION: &str = "CloseSession";

/// Everything `DoAction` understands, and what it does.
const KNOWN: [(&str, &str); 5] = [
    ("CreatePreparedStatement", "ActionCreatePreparedStatementRequest: prepares a query"),
    ("ClosePreparedStatement", "ActionClosePreparedStatementRequest: forgets a prepared query"),
    ("CancelQuery", "ActionCancelQueryRequest: stops a query; CancelFlightInfo does the same"),
    (CANCEL_FLIGHT_INFO, "CancelFlightInfoRequest: stops a query, or makes its ticket void"),
    (CLOSE_SESSION, "CloseSessionRequest: ends the session of the handshake"),
];

/// `CloseSessionResult` of `Flight.proto`, which the library does not have.
#[derive(Clone, PartialEq, Message)]
struct CloseSessionResult {
    /// 1: closed.
    #[prost(int32, tag = "1")]
    status: i32,
}

/// `CloseSessionResult.Status.CLOSED`.
const CLOSED: i32 = 1;

/// The actions of `ListActions`.
pub(super) fn known() -> impl Iterator<Item = ActionType> {
    KNOWN.iter().map(|(name, description)| ActionType {
        r#type: (*name).to_owned(),
        description: (*description).to_owned(),
    })
}

/// Runs an action that is none of Flight SQL's own; the body of its result.
pub(super) fn run(
    service: &Service,
    principal: &Principal,
    metadata: &MetadataMap,
    action: &Action,
) -> Result<Vec<u8>, Status> {
    match action.r#type.as_str() {
        CANCEL_FLIGHT_INFO => {
            let request = CancelFlightInfoRequest::decode(&*action.body)
                .map_err(|error| status::invalid(&format!("CancelFlightInfoRequest: {error}")))?;
            let info = request.info.ok_or_else(|| status::invalid("info is missing"))?;
            let cancelled = service.cancel(principal, &info)?;
            Ok(CancelFlightInfoResult::new(cancelled).encode_to_vec())
        }
        CLOSE_SESSION => {
            if !service.guard.log_out(metadata) {
                return Err(status::invalid("the call came without a session: no handshake"));
            }
            Ok(CloseSessionResult { status: CLOSED }.encode_to_vec())
        }
        other => Err(status::unsupported(&format!("action {other:?}"))),
    }
}
