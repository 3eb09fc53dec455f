//! Questions about the past, asked of real tables over a log in memory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it is"
)]

mod support;

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ledgerline_analyzer_api::past::Moment;
use ledgerline_analyzer_api::ports::{SnapshotSource, Snapshotting};
use ledgerline_analyzer_api::{AnalyzerState, Bounds, Door, Engine, Limits, QueryError, Question};
use ledgerline_event_store::crypt::at_rest::ClearFiles;
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_event_store::{Append, EventReader as _, EventWriter as _};
use ledgerline_projections::{Options, Past, Projections, Snapshot, maintain};
use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::interaction::{Direction, InteractionCreated, Relationship};
use ledgerline_schemas::event::queue::{QueueEntered, QueueLeaveReason, QueueLeft, QueueSource};
use ledgerline_schemas::id::{EventId, InteractionId, LegId, OrgId, QueueId};
use ledgerline_schemas::{Actor, NewEvent, Position, StreamId, Timestamp};
use support::{ACME, World, principal, world};
use tokio_util::sync::CancellationToken;

/// Calls on the log; each is three events: created, queue entered, queue left.
const CALLS: u64 = 20;

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

struct Analyzed {
    state: AnalyzerState,
    tables: Projections,
    _dir: tempfile::TempDir,
    world: World,
}

fn append(log: &MemoryLog, serial: u64, event: impl Into<Event>) {
    let event = event.into();
    let new = NewEvent {
        id: EventId::from_u128(u128::from(serial)),
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
    log.submit(Append { events: vec![new], expected: Vec::new() }).expect("append");
}

thread_local! {
    /// The clock of the log that this thread writes.
    static SECONDS: Cell<i64> = const { Cell::new(0) };
}

/// Event `n` is recorded at `n` seconds.
async fn analyzed() -> Analyzed {
    analyzed_with(16, false).await
}

/// The same with a commit every so many events, and files merged where they can be.
async fn analyzed_with(flush_positions: u64, merged: bool) -> Analyzed {
    SECONDS.set(0);
    let log = MemoryLog::new(ACME, || {
        SECONDS.set(SECONDS.get() + 1);
        Timestamp::from_millis(SECONDS.get() * 1_000)
    });
    for call in 1..=CALLS {
        let interaction_id = InteractionId::from_u128(u128::from(call));
        let (leg_id, queue_id) =
            (LegId::from_u128(u128::from(call)), QueueId::from_u128(u128::from(call % 2)));
        append(&log, call * 3, created(interaction_id));
        append(&log, call * 3 + 1, entered(interaction_id, leg_id, queue_id));
        let reason = QueueLeaveReason::Abandoned;
        append(
            &log,
            call * 3 + 2,
            QueueLeft { interaction_id, leg_id, queue_id, reason, wait_ms: 1_000 },
        );
    }
    let dir = tempfile::tempdir().expect("dir");
    let options = Options { flush_positions, settle_positions: 4, ..Options::default() };
    let reader: Arc<MemoryLog> = Arc::new(log.clone());
    let start = || Projections::start(reader.clone(), dir.path().to_owned(), options);
    let mut projections = start().expect("projections");
    projections.wait_for(log.head()).await.expect("folded");
    if merged {
        projections.stop().await;
        maintain(reader.clone(), dir.path(), options, Arc::new(ClearFiles)).expect("merged");
        projections = start().expect("projections");
        projections.wait_for(log.head()).await.expect("folded");
        let rows = projections.snapshot().tables["event_log"].cold[0].rows;
        assert_eq!(rows, 8 * flush_positions, "eight commits are one file");
    }
    let mut world = world();
    world.logs.0.insert(ACME, log);
    let ports = world.ports(Arc::new(Live(projections.clone())));
    let state = AnalyzerState::new(Engine::new(Limits::default()).expect("engine"), ports);
    Analyzed { state, tables: projections, _dir: dir, world }
}

/// The position and the text of an answer.
async fn asked(
    state: &AnalyzerState,
    who: &str,
    sql: &str,
    as_of: Option<Moment>,
) -> Result<(Position, String), QueryError> {
    let question = Question {
        principal: principal(who).expect("principal"),
        door: Door::Cli,
        sql: sql.to_owned(),
        parameters: None,
        as_of,
        bounds: Bounds::default(),
        cancel: CancellationToken::new(),
        backend_pid: 0,
    };
    let mut answer = state.ask(question).await?;
    let mut text = String::new();
    while let Some(batch) = answer.next().await {
        text.push_str(&ledgerline_analyzer_api::format::csv::lines(&batch?).expect("csv"));
    }
    Ok((answer.position(), text.replace("\r\n", " ").trim_end().to_owned()))
}

impl Analyzed {
    async fn ask_as(
        &self,
        who: &str,
        sql: &str,
        as_of: Option<Moment>,
    ) -> Result<(Position, String), QueryError> {
        asked(&self.state, who, sql, as_of).await
    }

    async fn ask(&self, sql: &str) -> String {
        match self.ask_as("acme-administrator", sql, None).await {
            Ok((_, text)) => text,
            Err(error) => panic!("{sql}: {error}"),
        }
    }
}

/// Legs there are and legs that were left, after so many events.
fn legs(position: u64) -> String {
    let entered = (position + 1) / 3;
    let left = position / 3;
    format!("{entered},{left}")
}

#[tokio::test]
async fn a_table_is_what_it_was_at_any_position() {
    let it = analyzed().await;
    for position in [0, 1, 2, 3, 15, 16, 17, 31, 32, 47, 50, 60] {
        let sql = format!(
            "select count(*), count(*) filter (where outcome = 'abandoned') \
             from as_of('queue_leg', {position})"
        );
        assert_eq!(it.ask(&sql).await, legs(position), "{position}");
    }
}

#[tokio::test]
async fn merged_files_tell_the_past_as_it_was() {
    let it = analyzed_with(4, true).await;
    // Before, at and after commits; in the merged file, at its end (32) and beyond it.
    for position in [0, 1, 3, 4, 5, 7, 16, 19, 31, 32, 33, 48, 60] {
        let of = |table: &str, what: &str, condition: &str| {
            format!("select {what} from as_of('{table}', {position}) where {condition}")
        };
        let abandoned = "count(*), count(*) filter (where outcome = 'abandoned')";
        assert_eq!(it.ask(&of("queue_leg", abandoned, "true")).await, legs(position), "{position}");
        let events = of("event_log", "count(*), coalesce(max(position), 0)", "position > 0");
        assert_eq!(it.ask(&events).await, format!("{position},{position}"));
        // A condition that the files can use, and a column list without the one they have more.
        let one = it.ask(&of("event_log", "*", "position = 7")).await;
        assert_eq!(one.is_empty(), position < 7, "{position}: {one}");
        assert!(one.is_empty() || one.starts_with("7,"), "{one}");
    }
    let checks = "select count(*), count(*) filter (where equal) \
                  from replay_check('event_log', 0, 60)";
    assert_eq!(it.ask(checks).await, "15,15");
    let error =
        it.ask_as("acme-administrator", "select commit_position from event_log", None).await;
    assert!(error.is_err(), "the column of merged files is none of the table");
}

#[tokio::test]
async fn a_span_of_time_has_its_rows_wherever_it_begins_and_ends() {
    for (flush_positions, merged) in [(16, false), (4, true)] {
        let it = analyzed_with(flush_positions, merged).await;
        // Of files that are within it, of others, of one cut at a position, and of memory. Event n is recorded at n seconds.
        for (until, table) in [(60, "event_log"), (27, "as_of('event_log', 27)")] {
            for from in [0_i64, 1, 4, 5, 16, 17, 18, 31, 33, 48, 49, 60, 61] {
                for to in [1_i64, 5, 17, 18, 28, 32, 33, 49, 60, 61, 99] {
                    let at = |second: i64| {
                        let (minutes, seconds) = (second / 60, second % 60);
                        format!("timestamptz '1970-01-01 00:{minutes:02}:{seconds:02}+00'")
                    };
                    let (since, before) = (at(from), at(to));
                    let span = format!("recorded_at >= {since} and recorded_at < {before}");
                    let (first, last) = (from.max(1), (to - 1).min(until));
                    let (count, sum) = match last - first + 1 {
                        count if count > 0 => (count, (first + last) * count / 2),
                        _ => (0, 0),
                    };
                    // The questions are on the log as well.
                    let of = |what: &str| {
                        format!("select {what} from {table} where {span} and position <= 60")
                    };
                    let sums = it.ask(&of("count(*), coalesce(sum(position), 0)")).await;
                    assert_eq!(sums, format!("{count},{sum}"), "{merged} {table} {from} {to}");
                    assert_eq!(it.ask(&of("count(*)")).await, count.to_string());
                }
            }
        }
        // What a file has wholly is not compared.
        let plan = "explain select position from event_log where recorded_at < timestamptz ";
        let of_all = it.ask(&format!("{plan} '1970-01-01 01:00:00+00'")).await;
        let of_some = it.ask(&format!("{plan} '1970-01-01 00:00:03+00'")).await;
        assert!(!of_all.contains("predicate=recorded_at"), "{of_all}");
        assert!(of_some.contains("predicate=recorded_at"), "{of_some}");
    }
}

#[tokio::test]
async fn past_and_present_meet_in_one_question() {
    let it = analyzed().await;
    let sql = "select (select count(*) from as_of('queue_leg', 20)), count(*) from queue_leg";
    assert_eq!(it.ask(sql).await, "7,20");
    let sql = "select count(*) from as_of('queue_leg', 30) then_ \
               join as_of('queue_leg', 10) before on before.leg_id = then_.leg_id \
               where before.outcome = 'open' and then_.outcome = 'abandoned'";
    // Event 10 creates the fourth call; no leg is open then. After event 11 one is.
    assert_eq!(it.ask(sql).await, "0");
    assert_eq!(it.ask(&sql.replace(", 10)", ", 11)")).await, "1");
}

#[tokio::test]
async fn a_whole_question_stands_at_an_earlier_moment() {
    let it = analyzed().await;
    let sql = "select count(*), current_position() from queue_leg";
    let who = "acme-analyst";
    for moment in [
        Moment::At(Position(20)),
        Moment::Recorded(Timestamp::from_millis(20_000)),
        Moment::Recorded(Timestamp::from_millis(20_999)),
    ] {
        let (position, text) = it.ask_as(who, sql, Some(moment)).await.expect("answer");
        assert_eq!((position, text.as_str()), (Position(20), "7,20"), "{moment:?}");
    }
    let early = Moment::Recorded(Timestamp::from_millis(999));
    assert_eq!(it.ask_as(who, sql, Some(early)).await.expect("answer").1, "0,0");
    let late = it.ask_as(who, sql, Some(Moment::At(Position(10_000)))).await.expect_err("late");
    assert!(late.to_string().contains("position 10000 is not reached yet"), "{late}");
}

#[tokio::test]
async fn instants_are_places_in_the_log() {
    let it = analyzed().await;
    let sql = "select position_at('1970-01-01T00:00:20Z'), position_at('1970-01-01 00:00:20.999'), \
               position_at('1969-12-31')";
    assert_eq!(it.ask(sql).await, "20,20,0");
    let sql = "select count(*) from as_of('queue_leg', '1970-01-01 01:00:20+01:00')";
    assert_eq!(it.ask(sql).await, "7");
}

#[tokio::test]
async fn changes_and_histories_are_rows() {
    let it = analyzed().await;
    let sql =
        "select change_position, change, outcome from changes('queue_leg', 16, 21) order by 1";
    // Events 17 and 20 enter, 18 and 21 leave.
    assert_eq!(
        it.ask(sql).await,
        "17,insert,open 18,update,abandoned 20,insert,open 21,update,abandoned"
    );
    let leg = LegId::from_u128(6);
    let sql =
        format!("select change_position, outcome from history('queue_leg', '{leg}') order by 1");
    assert_eq!(it.ask(&sql).await, "17,open 18,abandoned");
    let sql = format!("select count(*) from history('queue_leg', '{leg}', 18, 60)");
    assert_eq!(it.ask(&sql).await, "0");
    let sql =
        "select count(*), bool_and(equal), sum(stored_rows) from replay_check('event_log', 0, 60)";
    assert_eq!(it.ask(sql).await, "3,true,48");
}

#[tokio::test]
async fn nobody_sees_in_the_past_what_is_not_theirs_now() {
    let it = analyzed().await;
    for sql in [
        "select * from as_of('event_log', 5)",
        "select * from changes('event_log', 0, 5)",
        "select * from replay_check('event_log', 0, 5)",
        "select * from past.t1",
    ] {
        let error = it.ask_as("acme-analyst", sql, None).await.expect_err(sql);
        assert!(matches!(error, QueryError::Table(_)), "{sql}: {error}");
    }
    assert_eq!(it.ask("select count(*) from as_of('event_log', 5)").await, "5");
    let refused = it.ask_as("acme-agent", "select * from as_of('queue_leg', 5)", None).await;
    assert!(matches!(refused, Err(QueryError::NotAllowed(_))), "{refused:?}");
}

#[tokio::test]
async fn a_function_that_is_no_table_or_hides_a_clause_is_refused() {
    let it = analyzed().await;
    for (sql, expected) in [
        ("select as_of('queue_leg', 5)", "as_of"),
        ("select * from as_of('queue_leg', 5) tablesample bernoulli (1)", "TABLESAMPLE"),
        ("select * from as_of('queue_leg', 5) with ordinality", "WITH ORDINALITY"),
        ("delete from as_of('queue_leg', 5)", ""),
    ] {
        let error = it.ask_as("acme-administrator", sql, None).await.expect_err(sql).to_string();
        assert!(error.contains(expected), "{sql}: {error}");
    }
}

fn created(interaction_id: InteractionId) -> InteractionCreated {
    InteractionCreated {
        interaction_id,
        channel_type: ChannelType::Voice,
        channel_sub_type: None,
        direction: Direction::Inbound,
        entry_point_id: None,
        origin: None,
        destination: None,
        customer_code: None,
        parent_interaction_id: None,
        relationship: Relationship::None,
        reason: None,
        preferred_agent_id: None,
        campaign_id: None,
        media_ref: None,
    }
}

fn entered(interaction_id: InteractionId, leg_id: LegId, queue_id: QueueId) -> QueueEntered {
    QueueEntered {
        interaction_id,
        leg_id,
        queue_id,
        leg_no: 1,
        priority: 10,
        wait_credit_ms: 0,
        requirements: Vec::new(),
        preferred_agent_id: None,
        source: QueueSource::Flow,
    }
}

/// Tables that are behind the log: each look at them finds the next of the positions, the last one for ever.
#[derive(Debug)]
struct Behind {
    tables: Projections,
    steps: Mutex<VecDeque<Arc<Snapshot>>>,
}

impl SnapshotSource for Behind {
    fn snapshot(&self, _org_id: OrgId, _wait: Duration) -> Snapshotting<'_> {
        let mut steps = self.steps.lock().expect("lock");
        let step = if steps.len() > 1 { steps.pop_front() } else { steps.front().cloned() };
        Box::pin(async move { step })
    }

    fn past(&self, _org_id: OrgId) -> Option<Arc<Past>> {
        Some(self.tables.past())
    }
}

/// The answer to a question, asked of tables that are found at these positions one after the other.
async fn asked_behind(
    steps: &[u64],
    sql: &str,
    as_of: Option<Moment>,
) -> Result<(Position, String), QueryError> {
    let it = analyzed().await;
    let past = it.tables.past();
    let tables = |at: &u64| past.snapshot_at(Position(*at), &|| true).expect("tables");
    let steps = Mutex::new(steps.iter().map(tables).collect());
    let ports = it.world.ports(Arc::new(Behind { tables: it.tables, steps }));
    let state = AnalyzerState::new(Engine::new(Limits::default()).expect("engine"), ports);
    asked(&state, "acme-analyst", sql, as_of).await
}

#[tokio::test]
async fn a_position_that_only_the_log_has_is_waited_for() {
    let present = "select count(*), current_position() from queue_leg";
    let at = |position| Some(Moment::At(Position(position)));
    let fifty = Moment::Recorded(Timestamp::from_millis(50_000));
    let as_of = "select count(*) from as_of('queue_leg', 50)";
    let changes = "select max(change_position) from changes('queue_leg', 5, 50)";
    let both = "select count(*) from as_of('queue_leg', 15) a, as_of('queue_leg', 50) b";
    // Given tables that are at 10, then 30, then 60; when asked; then the answer of position 50.
    for (sql, moment, expected) in [
        (present, at(50), (50, "17,50")),
        (present, Some(fifty), (50, "17,50")),
        (as_of, None, (60, "17")),
        (changes, None, (60, "50")),
        (both, None, (60, "85")),
        // Nothing to wait for: the answer of the tables as they are found.
        (present, None, (10, "3,10")),
        (present, at(5), (5, "2,5")),
        ("select count(*) from as_of('queue_leg', 5)", None, (10, "2")),
    ] {
        let answer = asked_behind(&[10, 30, 60], sql, moment).await.expect(sql);
        assert_eq!((answer.0.0, answer.1.as_str()), expected, "{sql} {moment:?}");
    }
    // Tables that stopped are not waited for, nor is a position that the log does not have.
    for (steps, position) in [(&[10, 10][..], 50), (&[10, 30, 60], 61)] {
        let error = asked_behind(steps, present, at(position)).await.expect_err("not reached");
        assert!(matches!(error, QueryError::NotReached { .. }), "{error}");
        let sql = format!("select count(*) from as_of('queue_leg', {position})");
        let error = asked_behind(steps, &sql, None).await.expect_err("not reached");
        let expected = format!("position {position} is not reached yet: the tables stand at 10");
        assert!(error.to_string().ends_with(&expected), "{error}");
    }
}
