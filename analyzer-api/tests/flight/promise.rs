//! Tickets: what they promise is held while the log moves, and nobody else's are good.

use std::sync::Arc;
use std::time::Duration;

use arrow_flight::Ticket;
use arrow_flight::sql::{Any, ProstMessageExt, TicketStatementQuery};
use ledgerline_analyzer_api::ports::{SnapshotSource, Snapshotting};
use ledgerline_analyzer_api::{AnalyzerState, Engine, Limits};
use ledgerline_projections::{Options, Past, Projections};
use ledgerline_schemas::Event;
use ledgerline_schemas::id::OrgId;
use prost::Message;
use tonic::Code;

use crate::server::{Server, code, config, refused, serve_world, server, ticket};
use crate::support::{ACME, world};

/// Tables that follow the log.
#[derive(Clone, Debug)]
struct Live(Projections);

impl SnapshotSource for Live {
    fn snapshot(&self, _org_id: OrgId, wait: Duration) -> Snapshotting<'_> {
        Box::pin(async move { Some(self.0.caught_up(wait).await) })
    }

    fn past(&self, _org_id: OrgId) -> Option<Arc<Past>> {
        Some(self.0.past())
    }
}

/// A server whose tables follow a log that every answer adds an event to.
async fn moving() -> (Server, tempfile::TempDir) {
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(world.logs.0[&ACME].clone());
    let options = Options { flush_positions: 16, settle_positions: 4, ..Options::default() };
    let projections = Projections::start(log, folder.path().to_owned(), options).unwrap();
    // The tables follow until the end of the test, however long they take.
    let limits = Limits { freshness_wait: Duration::from_secs(3_600), ..Limits::default() };
    let ports = world.ports(Arc::new(Live(projections)));
    let state = AnalyzerState::new(Engine::new(limits).unwrap(), ports);
    (serve_world(world, state, config()).await, folder)
}

const EVENTS: &str = "SELECT count(*), max(position) FROM event_log";

#[tokio::test]
async fn rows_are_of_the_position_that_was_promised() {
    let (server, _folder) = moving().await;
    let caller = server.caller("acme-administrator").await;
    for _ in 0..40 {
        caller.ask("SELECT 1").await.unwrap();
    }
    let count = "SELECT count(*) FROM event_log";
    let promised = caller.info(count).await.unwrap();
    assert_eq!(promised.app_metadata.as_ref(), br#"{"as_of_position":40}"#);
    for later in 41..60 {
        let now = caller.ask(count).await.unwrap();
        assert_eq!((now.position(), now.number()), (later - 1, later as i64 - 1));
    }
    let answered = caller.fetch(ticket(&promised)).await.unwrap();
    assert_eq!((answered.position(), answered.number()), (40, 40));
    // Its tables were let go of: fetched again, they are folded again from the log.
    let again = caller.fetch(ticket(&promised)).await.unwrap();
    assert_eq!((again.position(), again.number()), (40, 40));
    assert_eq!(again.rows, answered.rows);
    assert_eq!(again.schema, answered.schema);
}

#[tokio::test]
async fn a_promise_is_held_when_its_tables_are_no_longer_kept() {
    let (server, _folder) = moving().await;
    let caller = server.caller("acme-administrator").await;
    for _ in 0..25 {
        caller.ask("SELECT 1").await.unwrap();
    }
    let promised = caller.info(EVENTS).await.unwrap();
    // More promises than tables are kept for; and the log moves.
    for _ in 0..70 {
        caller.info(EVENTS).await.unwrap();
    }
    for _ in 0..25 {
        caller.ask("SELECT 1").await.unwrap();
    }
    let answered = caller.fetch(ticket(&promised)).await.unwrap();
    assert_eq!(answered.position(), 25);
    let table = ledgerline_analyzer_api::format::csv::lines(&answered.rows).unwrap();
    assert_eq!(table.trim(), "25,25");
    let events = server.world.access_events(ACME);
    let Some(Event::AccessQueryRun(run)) = events.last() else { panic!("no event") };
    assert_eq!(run.as_of_position.0, 25, "the record says what was seen");
}

#[tokio::test]
async fn a_ticket_is_good_for_its_principal_only() {
    let server = server().await;
    let caller = server.caller("acme-analyst").await;
    let info = caller.info("SELECT count(*) FROM queue_leg").await.unwrap();
    for stranger in ["globex-analyst", "acme-auditor", "acme-administrator"] {
        let stranger = server.caller(stranger).await;
        let status = stranger.fetch(ticket(&info)).await.unwrap_err();
        assert_eq!((status.code(), code(&status)), (Code::PermissionDenied, "not_allowed"));
    }
    assert_eq!(caller.fetch(ticket(&info)).await.unwrap().number(), 7);
    let denied = server.world.access_events(ACME);
    assert_eq!(denied.iter().filter(|it| matches!(it, Event::AccessDenied(_))).count(), 2);
}

#[tokio::test]
async fn a_forged_ticket_is_refused() {
    let server = server().await;
    let caller = server.caller("acme-analyst").await;
    let info = caller.info("SELECT count(*) FROM queue_leg").await.unwrap();
    let any = Any::decode(&*ticket(&info).ticket).unwrap();
    let good: TicketStatementQuery = any.unpack().unwrap().unwrap();
    let handle = good.statement_handle.to_vec();
    let text = String::from_utf8_lossy(&handle).into_owned();
    assert!(text.contains("queue_leg"), "the statement is in the ticket");
    let replaced = |from: &[u8], to: &[u8]| {
        let at = handle.windows(from.len()).position(|it| it == from).unwrap();
        let mut forged = handle.clone();
        forged[at..at + from.len()].copy_from_slice(to);
        forged
    };
    for forged in [
        replaced(b"queue_leg", b"event_log"),
        replaced(b"\"position\":42", b"\"position\":41"),
        replaced(b"acme-analyst", b"acme-auditor"),
        handle[1..].to_vec(),
        Vec::new(),
    ] {
        let forged = TicketStatementQuery { statement_handle: forged.into() };
        let forged = Ticket::new(forged.as_any().encode_to_vec());
        let status = caller.fetch(forged).await.unwrap_err();
        assert_eq!((status.code(), code(&status)), (Code::InvalidArgument, "invalid_ticket"));
    }
    let nonsense = caller.fetch(Ticket::new(b"nonsense".to_vec())).await.unwrap_err();
    assert_eq!(nonsense.code(), Code::InvalidArgument);
    // Another server, or the same after a restart, has another key.
    let restarted = crate::server::server().await;
    let caller = restarted.caller("acme-analyst").await;
    assert_eq!(refused(caller.fetch(ticket(&info)).await), "invalid_ticket");
}

#[tokio::test]
async fn a_ticket_expires() {
    let world = world();
    let (state, mut config) = (world.state.clone(), config());
    config.ticket_life = Duration::ZERO;
    let server = serve_world(world, state, config).await;
    let caller = server.caller("acme-analyst").await;
    let status = caller.ask("SELECT 1").await.unwrap_err();
    assert_eq!((status.code(), code(&status)), (Code::InvalidArgument, "invalid_ticket"));
    assert!(status.message().contains("expired"), "{}", status.message());
}
