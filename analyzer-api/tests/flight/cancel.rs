//! Queries are stopped: by their client on another call, by its leaving, before they begin.

use arrow_flight::sql::{ActionCancelQueryRequest, ActionCancelQueryResult, Any, ProstMessageExt};
use arrow_flight::{
    CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightData, FlightInfo,
};
use ledgerline_analyzer_api::Limits;
use ledgerline_event_store::EventReader as _;
use ledgerline_schemas::Event;
use prost::Message;
use tonic::{Code, Status, Streaming};

use crate::server::{Caller, code, refused, server, server_with, ticket};
use crate::support::{ACME, World};

/// Years of work.
const ENDLESS: &str = "SELECT sum(a.value * b.value) FROM generate_series(1, 10000000) a, \
                       generate_series(1, 10000000) b";
/// Rows for hours.
const FLOOD: &str = "SELECT value FROM generate_series(1, 1000000000000)";

/// One query at a time: whoever is not stopped keeps all others from running.
fn one_at_a_time() -> Limits {
    Limits { queries_max: 1, rows_max: u64::MAX, bytes_max: u64::MAX, ..Limits::default() }
}

async fn cancel(caller: &Caller, info: &FlightInfo) -> Result<CancelStatus, Status> {
    let body = CancelFlightInfoRequest::new(info.clone()).encode_to_vec();
    let results = caller.action("CancelFlightInfo", body).await?;
    let result = CancelFlightInfoResult::decode(&*results[0].body).unwrap();
    Ok(CancelStatus::try_from(result.status).unwrap())
}

/// The older action of Flight SQL.
async fn cancel_query(caller: &Caller, info: &FlightInfo) -> Result<i32, Status> {
    let request = ActionCancelQueryRequest { info: info.encode_to_vec().into() };
    let results = caller.action("CancelQuery", request.as_any().encode_to_vec()).await?;
    let any = Any::decode(&*results[0].body).unwrap();
    Ok(any.unpack::<ActionCancelQueryResult>().unwrap().unwrap().result)
}

/// Why an answer ends.
async fn end_of(mut stream: Streaming<FlightData>) -> Status {
    loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a cancelled answer came to a good end"),
            Err(status) => return status,
        }
    }
}

fn cancelled(world: &World) -> usize {
    let events = world.access_events(ACME);
    let is =
        |event: &&Event| matches!(event, Event::AccessQueryRun(run) if run.outcome == "cancelled");
    events.iter().filter(is).count()
}

#[tokio::test]
async fn a_running_query_is_cancelled_and_its_turn_is_free() {
    let server = server_with(one_at_a_time()).await;
    let caller = server.caller("acme-analyst").await;
    for older in [false, true] {
        let info = caller.info(ENDLESS).await.unwrap();
        // The answer to the call says that it runs.
        let running = caller.client.clone().do_get(caller.request(ticket(&info))).await.unwrap();
        if older {
            assert_eq!(cancel_query(&caller, &info).await.unwrap(), 1);
        } else {
            assert_eq!(cancel(&caller, &info).await.unwrap(), CancelStatus::Cancelled);
        }
        let status = end_of(running.into_inner()).await;
        assert_eq!((status.code(), code(&status)), (Code::Cancelled, "cancelled"));
        assert_eq!(caller.ask("SELECT 1::bigint").await.unwrap().number(), 1);
        // It is cancelled for good.
        assert_eq!(refused(caller.fetch(ticket(&info)).await), "cancelled");
    }
    assert_eq!(cancelled(&server.world), 4);
}

/// The client reads nothing: the server cannot send, and must stop all the same.
#[tokio::test]
async fn a_query_whose_client_does_not_read_is_cancelled() {
    let server = server_with(one_at_a_time()).await;
    let caller = server.caller("acme-analyst").await;
    let info = caller.info(FLOOD).await.unwrap();
    let stream = caller.client.clone().do_get(caller.request(ticket(&info))).await.unwrap();
    let other = server.caller("acme-analyst").await;
    assert_eq!(cancel(&other, &info).await.unwrap(), CancelStatus::Cancelled);
    assert_eq!(other.ask("SELECT 1::bigint").await.unwrap().number(), 1);
    let status = end_of(stream.into_inner()).await;
    assert_eq!(status.code(), Code::Cancelled);
    assert_eq!(cancelled(&server.world), 1);
}

#[tokio::test]
async fn a_client_that_leaves_stops_its_query() {
    let server = server_with(one_at_a_time()).await;
    let mut watch = server.world.logs.0[&ACME].watch_head();
    let caller = server.caller("acme-analyst").await;
    for sql in [FLOOD, ENDLESS] {
        let before = cancelled(&server.world);
        let info = caller.info(sql).await.unwrap();
        let stream = caller.client.clone().do_get(caller.request(ticket(&info))).await.unwrap();
        drop(stream);
        while cancelled(&server.world) == before {
            watch.changed().await.unwrap();
        }
    }
    assert_eq!(caller.ask("SELECT 1::bigint").await.unwrap().number(), 1);
}

#[tokio::test]
async fn a_query_is_cancelled_by_its_owner_and_before_or_after_it_runs() {
    let server = server().await;
    let caller = server.caller("acme-analyst").await;
    let info = caller.info("SELECT 1::bigint").await.unwrap();
    for stranger in ["globex-analyst", "acme-auditor"] {
        let stranger = server.caller(stranger).await;
        assert_eq!(refused(cancel(&stranger, &info).await), "unknown_query");
    }
    assert_eq!(caller.fetch(ticket(&info)).await.unwrap().number(), 1);
    let late = cancel(&caller, &info).await.unwrap();
    assert_eq!(late, CancelStatus::NotCancellable, "it has ended");
    let info = caller.info("SELECT 1::bigint").await.unwrap();
    assert_eq!(cancel(&caller, &info).await.unwrap(), CancelStatus::Cancelled);
    assert_eq!(refused(caller.fetch(ticket(&info)).await), "cancelled", "its ticket is void");
    assert_eq!(refused(cancel(&caller, &FlightInfo::new()).await), "invalid_request");
    assert_eq!(refused(caller.action("CancelFlightInfo", vec![0xff]).await), "invalid_request");
}
