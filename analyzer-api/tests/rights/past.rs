//! Going back under a profile: what is granted now, of what was then.

use std::sync::Arc;
use std::time::Duration;

use ledgerline_access::Principal;
use ledgerline_analyzer_api::past::Moment;
use ledgerline_analyzer_api::ports::{SnapshotSource, Snapshotting};
use ledgerline_analyzer_api::{AnalyzerState, Engine, Limits};
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_event_store::{Append, EventReader as _, EventWriter as _};
use ledgerline_projections::{Options, Past, Projections};
use ledgerline_schemas::event::Event;
use ledgerline_schemas::id::{EventId, OrgId};
use ledgerline_schemas::{Actor, NewEvent, Position, StreamId, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::ask::{ask_sorted, question};
use crate::support::{World, world};
use crate::world::{ORG, Profile, anybody};

const CALLS: u128 = 12;
/// Positions of the calls' events.
const EVENTS: u64 = CALLS as u64 * 3;

fn id(kind: u128, number: u128) -> String {
    Uuid::from_u128(kind << 64 | number).to_string()
}

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

fn append(log: &MemoryLog, serial: u128, event_type: &str, payload: Value) {
    let event = Event::from_json(event_type, payload).expect("event");
    let new = NewEvent {
        id: EventId::from_u128(serial),
        stream: StreamId::new("test"),
        event_type: event.event_type().into(),
        time: Timestamp::EPOCH,
        command_id: Default::default(),
        correlation_id: Default::default(),
        causation_id: None,
        actor: Actor::router(),
        config_position: Position(1),
        traceparent: None,
        data_subject_id: None,
        payload: event.encode(),
    };
    drop(log.submit(Append { events: vec![new], expected: Vec::new() }).expect("append"));
}

struct Told {
    state: AnalyzerState,
    limited: Principal,
    projections: Projections,
    _world: World,
    _dir: tempfile::TempDir,
}

/// Calls in three queues in turn; then, at the end, a profile that grants the first.
async fn told(changes_max: usize) -> Told {
    let log = MemoryLog::new(ORG, || Timestamp::EPOCH);
    for call in 1..=CALLS {
        let (interaction, leg, queue) = (id(1, call), id(2, call), id(3, call % 3));
        let created = json!({"interaction_id": interaction, "channel_type": "voice",
            "direction": "inbound", "relationship": "none"});
        append(&log, call * 10, "interaction.created", created);
        let entered = json!({"interaction_id": interaction, "leg_id": leg, "queue_id": queue,
            "leg_no": 1, "priority": 10, "wait_credit_ms": 0, "requirements": [], "source": "flow"});
        append(&log, call * 10 + 1, "queue.entered", entered);
        let left = json!({"interaction_id": interaction, "leg_id": leg, "queue_id": queue,
            "reason": "abandoned", "wait_ms": call});
        append(&log, call * 10 + 2, "queue.left", left);
    }
    let mut profile = Profile::everything(1);
    profile.queues = Some([id(3, 0)].into());
    let document: Value = serde_json::from_str(&profile.document()).expect("json");
    let put = json!({"entity_id": profile.id, "entity_version": 1, "after": document, "changed_paths": []});
    append(&log, 1, "config.user_profile.created", put);

    let dir = tempfile::tempdir().expect("dir");
    let options = Options { flush_positions: 16, settle_positions: 4, ..Options::default() };
    let reader = Arc::new(log.clone());
    let projections =
        Projections::start(reader, dir.path().to_owned(), options).expect("projections");
    projections.wait_for(log.head()).await.expect("folded");
    let mut world = world();
    world.logs.0.insert(ORG, log);
    let ports = world.ports(Arc::new(Live(projections.clone())));
    let limits = Limits { changes_max, ..Limits::default() };
    let state = AnalyzerState::new(Engine::new(limits).expect("engine"), ports);
    Told { state, limited: profile.principal(), projections, _world: world, _dir: dir }
}

impl Told {
    async fn limited(&self, sql: &str) -> Result<Vec<String>, String> {
        let asked = ask_sorted(&self.state, &self.limited, sql).await;
        asked.map_err(|error| error.to_string())
    }

    async fn whole(&self, sql: &str) -> Result<Vec<String>, String> {
        let asked = ask_sorted(&self.state, &anybody(), sql).await;
        asked.map_err(|error| error.to_string())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_earlier_moment_shows_what_is_granted_now() {
    let told = told(200_000).await;
    let granted = id(3, 0);
    let mut rows = 0;
    for at in 0..=EVENTS {
        for (table, condition) in [
            ("queue_leg", format!("queue_id = '{granted}'")),
            ("queue_live", format!("queue_id = '{granted}'")),
            ("queue_interval", format!("queue_id = '{granted}'")),
            // All entry points are granted: so is what has not entered a queue yet.
            (
                "customer_session",
                format!(
                    "first_queue_id is null or interaction_id in \
                     (select interaction_id from as_of('queue_leg', {at}) l where queue_id = '{granted}')"
                ),
            ),
        ] {
            let sql = format!("select * from as_of('{table}', {at})");
            let limited = told.limited(&sql).await;
            let expected = told.whole(&format!("{sql} where {condition}")).await;
            rows += limited.as_ref().map_or(0, Vec::len);
            assert_eq!(limited, expected, "{sql}");
        }
        let sql = format!("select * from changes('queue_leg', 0, {at})");
        let expected = told.whole(&format!("{sql} where queue_id = '{granted}'")).await;
        assert_eq!(told.limited(&sql).await, expected, "{sql}");
    }
    assert!(rows > 100, "{rows} rows compared");

    // All tables of a question, by the question's own moment.
    let sql = "select count(*) from queue_leg";
    let mut asked = question(&told.limited, sql);
    asked.as_of = Some(Moment::At(Position(9)));
    let mut answer = told.state.ask(asked).await.expect("answer");
    let batch = answer.next().await.expect("rows").expect("rows");
    let count = datafusion::arrow::util::display::array_value_to_string(batch.column(0), 0);
    assert_eq!(count.expect("text"), "1", "of three legs until then");
    told.projections.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_counts_hidden_rows_is_refused_and_what_does_not_is_not() {
    let told = told(10).await;
    let all = format!("select count(*) from changes('queue_leg', 0, {EVENTS})");
    let whole = told.whole(&all).await.expect_err("24 changes");
    assert!(whole.contains("more than 10 rows"), "{whole}");
    // Eight of them are granted: the limit does not tell of the others.
    assert_eq!(told.limited(&all).await, Ok(vec!["8".to_owned()]));

    for (sql, reason) in [
        (format!("select * from replay_check('queue_leg', 0, {EVENTS})"), "counts all rows"),
        (format!("select * from changes('customer_session', 0, {EVENTS})"), "found by interaction"),
        (format!("select * from as_of('event_log', {EVENTS})"), "not found"),
        (format!("select * from as_of('routing_decision', {EVENTS})"), "not found"),
    ] {
        let refused = told.limited(&sql).await.expect_err(&sql);
        assert!(refused.contains(reason), "{sql}: {refused}");
    }
    // The history of one row: of one that is granted, of one that is not, of one that never was.
    for (table, kind) in [("queue_leg", 2), ("customer_session", 1)] {
        let history =
            |number: u128| format!("select change from history('{table}', '{}')", id(kind, number));
        let granted = told.limited(&history(3)).await.expect("granted");
        assert!(granted.len() >= 2, "{table}: {granted:?}");
        assert_eq!(told.limited(&history(4)).await, Ok(Vec::new()), "{table}");
        assert_eq!(told.limited(&history(404)).await, Ok(Vec::new()), "{table}");
        assert!(told.whole(&history(4)).await.is_ok_and(|rows| rows.len() >= 2), "{table}");
    }
    told.projections.stop().await;
}
