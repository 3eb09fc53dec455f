//! Rows that are dropped are in no answer, whatever is asked and whoever asks; under a profile too.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ledgerline_access::Principal;
use ledgerline_analyzer_api::past::Moment;
use ledgerline_analyzer_api::ports::{SnapshotSource, Snapshotting};
use ledgerline_analyzer_api::{AnalyzerState, Engine, Limits};
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_event_store::{Append, EventReader as _, EventWriter as _};
use ledgerline_projections::retention::{Hold, Run, rule};
use ledgerline_projections::{
    Hidden, Kept, Options, Past, Projections, Snapshot, checksum, row_batch, tables,
};
use ledgerline_schemas::event::Event;
use ledgerline_schemas::id::{EntityId, EventId, OrgId};
use ledgerline_schemas::{Actor, NewEvent, Position, StreamId, Timestamp};
use serde_json::{Value, json};

use crate::ask::{Asking, ask_sorted, question};
use crate::random::Random;
use crate::sql::Questions;
use crate::support::{World, world};
use crate::world::{
    ORG, Profile, Rows, agents, anybody, def, filtered, id, interactions, queues, rows, snapshot,
};

/// Times of random rows are 20 quarters from here on.
const BEGIN: i64 = 1_700_000_000_000_000;
const QUARTER: usize = 900_000_000;

fn instant(random: &mut Random) -> Timestamp {
    Timestamp::from_micros(BEGIN + (random.below(22) * QUARTER) as i64)
}

fn hold(random: &mut Random) -> Hold {
    let mut some = |all: Vec<String>, percent: usize| {
        let of = if random.chance(percent) { random.some(&all) } else { Vec::new() };
        of.into_iter().map(Arc::from).collect()
    };
    Hold {
        interactions: some(interactions(), 40),
        queues: some(queues(), 40),
        agents: some(agents(), 40),
        from: random.chance(30).then(|| instant(random)),
        to: random.chance(30).then(|| instant(random)),
    }
}

/// What is hidden of each table.
fn hidden(random: &mut Random) -> BTreeMap<&'static str, Arc<Hidden>> {
    let mut run = || Run {
        position: Position(random.below(60) as u64),
        time: Timestamp::EPOCH,
        before: instant(random),
        holds: (0..random.below(3))
            .map(|number| (EntityId::from_u128(number as u128), Arc::new(hold(random))))
            .collect(),
    };
    let mut runs = || -> Vec<Run> { (0..2).map(|_| run()).collect() };
    let tables = tables::ALL.iter().filter_map(|def| Some((def.name, rule(def.name)?)));
    tables.map(|(name, rule)| (name, Arc::new(Hidden { rule, runs: runs() }))).collect()
}

/// The rows that are not hidden, as rows of their own.
fn left(all: &Rows, hidden: &BTreeMap<&'static str, Arc<Hidden>>) -> Rows {
    let rest = |name: &&'static str, rows: &Vec<ledgerline_projections::Row>| {
        let Some(hidden) = hidden.get(name) else { return rows.clone() };
        let is_hidden = hidden.of_rows(&row_batch(def(name), rows).expect("batch")).expect("rows");
        rows.iter().zip(is_hidden).filter(|(_, is)| !is).map(|(row, _)| Arc::clone(row)).collect()
    };
    all.iter().map(|(name, rows)| (*name, rest(name, rows))).collect()
}

fn kept(all: &Rows, hidden: &BTreeMap<&'static str, Arc<Hidden>>, dir: &Path) -> Arc<Snapshot> {
    let mut snapshot = (*snapshot(all, Some(dir))).clone();
    for (name, hidden) in hidden {
        snapshot.tables.get_mut(name).expect("table").kept = Kept::Except(Arc::clone(hidden));
    }
    Arc::new(snapshot)
}

#[tokio::test(flavor = "multi_thread")]
async fn random_questions_see_no_row_that_is_dropped() {
    let asking = Asking::new();
    let (mut hidden_rows, mut shown_rows, mut answers) = (0, 0, 0);
    for seed in 1..=6 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let profiles: Vec<Profile> =
            (1..4).map(|number| Profile::random(number, &mut random)).collect();
        let all = rows(&mut random, &profiles);
        let hidden = hidden(&mut random);
        let left = left(&all, &hidden);
        let dir = tempfile::tempdir().unwrap();
        let over_all = kept(&all, &hidden, dir.path());
        for (table, sum) in checksum(&over_all).expect("readable") {
            assert_eq!(sum.rows, left[table].len() as u64, "{table}");
            shown_rows += sum.rows;
            hidden_rows += all[table].len() as u64 - sum.rows;
        }
        let kept = asking.over(over_all);
        let alone = asking.over(snapshot(&left, None));
        let mut ask = Vec::new();
        for def in tables::ALL {
            ask.push(format!("select * from {}", def.name));
            ask.push(format!("select count(*) from {}", def.name));
        }
        let all_tables: Vec<_> = tables::ALL.iter().collect();
        ask.extend((0..12).map(|_| Questions::new(&mut random, all_tables.clone()).question()));
        for sql in &ask {
            let one = ask_sorted(&kept, &anybody(), sql).await;
            let other = ask_sorted(&alone, &anybody(), sql).await;
            answers += usize::from(one.is_ok());
            assert_eq!(one.map_err(|it| it.code()), other.map_err(|it| it.code()), "{sql}");
        }
        // And what a profile grants of what is left.
        for profile in &profiles {
            let alone = asking.over(snapshot(&filtered(&left, profile), None));
            for def in
                tables::ALL.iter().filter(|def| filtered(&left, profile).contains_key(def.name))
            {
                let sql = format!("select * from {}", def.name);
                let limited = ask_sorted(&kept, &profile.principal(), &sql).await;
                let granted = ask_sorted(&alone, &anybody(), &sql).await;
                assert_eq!(
                    limited.map_err(|it| it.code()),
                    granted.map_err(|it| it.code()),
                    "{sql} under {profile:#?}"
                );
            }
        }
    }
    println!("{hidden_rows} rows hidden, {shown_rows} shown, {answers} answers");
    assert!(hidden_rows > 200 && shown_rows > 1_000 && answers > 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_question_reaches_a_value_of_a_dropped_row() {
    let told = told().await;
    // Leg 3 is dropped, and waited 3 ms; leg 4 is held.
    for (waited, is_there) in [(3, false), (4, true), (9, true)] {
        for sql in [
            format!("select sum(1 / (queue_duration_ms - {waited})) from queue_leg"),
            format!("select count(*) from queue_leg where 1 / (queue_duration_ms - {waited}) > 5"),
            format!(
                "select count(*) from queue_leg where queue_duration_ms = {waited} and 1 / (queue_duration_ms - {waited}) > 5"
            ),
            format!("select leg_id from queue_leg order by 1 / (queue_duration_ms - {waited})"),
        ] {
            let failed = told.ask(&anybody(), &sql).await.is_err();
            assert_eq!(failed, is_there, "{sql}");
        }
    }
    let plan = told.ask(&anybody(), "explain select * from queue_leg").await.expect("a plan");
    assert!(!plan.join(" ").contains(".parquet"), "{plan:?}");
    told.projections.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn earlier_moments_are_answered_as_they_were_or_refused_by_name() {
    let told = told().await;
    let legs = |at: Position| format!("select count(*) from as_of('queue_leg', {at})");
    let count = async |sql: &str| told.ask(&anybody(), sql).await.map(|rows| rows.join(" "));
    // Twelve legs; a run drops all that ended before the seventh, but one is held.
    assert_eq!(count("select count(*) from queue_leg").await, Ok("7".into()));
    assert_eq!(count(&legs(told.run)).await, Ok("7".into()));
    assert_eq!(count(&legs(Position(told.run.0 - 1))).await, Ok("12".into()), "not removed yet");
    assert_eq!(
        told.ask(&told.limited, &legs(Position(told.run.0 - 1))).await,
        Ok(vec!["4".into()])
    );
    assert_eq!(
        count("select rows_dropped, past_from_position from retention_status").await,
        Ok("5|0".into())
    );
    let compared = "select count(*), count(*) filter (where equal) from replay_check('queue_leg', 0, current_position())";
    let before = count(compared).await.expect("compared");

    // The past of that run is given up.
    told.append_run(60 * 7, 10_000);
    let end = told.log.head();
    told.projections.wait_for(end).await.expect("folded");
    assert_eq!(count("select count(*) from queue_leg").await, Ok("7".into()));
    assert_eq!(count(&legs(end)).await, Ok("7".into()));
    for who in [anybody(), told.limited.clone()] {
        for sql in [
            legs(Position(told.run.0 - 1)),
            format!("select * from as_of('queue_leg', {})", end.0 - 1),
            format!("select count(*) from changes('queue_leg', 5, {end})"),
            format!("select change from history('queue_leg', '{}')", id(0x11, 2)),
        ] {
            let refused = told.ask(&who, &sql).await.expect_err(&sql);
            for part in
                ["queue_leg", "2023-11-14T22:20:20.000000Z", &format!("from position {end} on")]
            {
                assert!(refused.contains(part), "{sql}: {refused}");
            }
        }
    }
    // Who is not granted a row does not learn that it was there.
    for leg in [3, 404] {
        let history = format!("select change from history('queue_leg', '{}')", id(0x11, leg));
        assert_eq!(told.ask(&told.limited, &history).await, Ok(Vec::new()), "{leg}");
    }
    // Of a row that is still there, of other tables, and of all tables at once where none of them is gone.
    let history = format!("select count(*) from history('queue_leg', '{}')", id(0x11, 9));
    assert_eq!(count(&history).await, Ok("2".into()));
    assert_eq!(count("select count(*) from as_of('event_log', 9)").await, Ok("9".into()));
    for (sql, is_answered) in
        [("select count(*) from customer_session", true), ("select count(*) from queue_leg", false)]
    {
        let mut asked = question(&anybody(), sql);
        asked.as_of = Some(Moment::At(Position(9)));
        let said = match Box::pin(told.state.ask(asked)).await {
            Ok(mut answer) => answer.next().await.expect("a batch").map(|_| ()),
            Err(error) => Err(error),
        };
        assert_eq!(said.is_ok(), is_answered, "{sql}: {said:?}");
    }
    // Files hold what they should, of the commits there were.
    let [all, equal] = before.split('|').collect::<Vec<_>>()[..] else { panic!("{before}") };
    assert_eq!(all, equal);
    let after = count(compared).await.expect("compared");
    let [all, equal] = after.split('|').collect::<Vec<_>>()[..] else { panic!("{after}") };
    assert_eq!(all, equal);
    told.projections.stop().await;
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

struct Told {
    state: AnalyzerState,
    projections: Projections,
    log: MemoryLog,
    limited: Principal,
    /// Position of the run.
    run: Position,
    _world: World,
    _dir: tempfile::TempDir,
}

fn append(log: &MemoryLog, seconds: i64, event_type: &str, payload: Value) {
    let event = Event::from_json(event_type, payload).expect("event");
    let new = NewEvent {
        id: EventId::from_u128(u128::from(log.head().0) + 1),
        stream: StreamId::new("test"),
        event_type: event.event_type().into(),
        time: Timestamp::from_micros(BEGIN + seconds * 1_000_000),
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

/// Twelve calls, one a minute, in three queues in turn, that wait as many milliseconds as their number says. The
/// fourth is held; a run at the end drops what ended before the seventh.
async fn told() -> Told {
    let log = MemoryLog::new(ORG, || Timestamp::EPOCH);
    let mut profile = Profile::everything(1);
    profile.queues = Some([id(0x91, 3)].into());
    for call in 1..=12_usize {
        let (interaction, leg, queue) = (id(0x1, call), id(0x11, call), id(0x91, call % 3 + 1));
        let at = call as i64 * 60;
        let created = json!({"interaction_id": interaction, "channel_type": "voice",
            "direction": "inbound", "relationship": "none"});
        append(&log, at, "interaction.created", created);
        let entered = json!({"interaction_id": interaction, "leg_id": leg, "queue_id": queue,
            "leg_no": 1, "priority": 10, "wait_credit_ms": 0, "requirements": [], "source": "flow"});
        append(&log, at, "queue.entered", entered);
        let left = json!({"interaction_id": interaction, "leg_id": leg, "queue_id": queue,
            "reason": "abandoned", "wait_ms": call});
        append(&log, at, "queue.left", left);
    }
    let put = |id: &str, document: Value| json!({"entity_id": id, "entity_version": 1, "after": document, "changed_paths": []});
    let document: Value = serde_json::from_str(&profile.document()).expect("json");
    append(&log, 800, "config.user_profile.created", put(&profile.id.to_string(), document));
    let hold = json!({"name": "case", "reason": "case", "interactions": [id(0x1, 4)]});
    append(&log, 800, "config.legal_hold.created", put(&id(0xf5, 1), hold));
    let dir = tempfile::tempdir().expect("dir");
    let options = Options { flush_positions: 16, settle_positions: 4, ..Options::default() };
    let reader = Arc::new(log.clone());
    let projections =
        Projections::start(reader, dir.path().to_owned(), options).expect("projections");
    let mut world = world();
    world.logs.0.insert(ORG, log.clone());
    let ports = world.ports(Arc::new(Live(projections.clone())));
    let state = AnalyzerState::new(Engine::new(Limits::default()).expect("engine"), ports);
    let limited = profile.principal();
    let mut told =
        Told { state, projections, log, limited, run: Position::START, _world: world, _dir: dir };
    told.append_run(60 * 7, -1);
    told.run = told.log.head();
    told.projections.wait_for(told.run).await.expect("folded");
    told
}

impl Told {
    /// A run: what ended before this second, and the past given up that is older than this second.
    fn append_run(&self, before: i64, past: i64) {
        let time = |seconds: i64| Timestamp::from_micros(BEGIN + seconds * 1_000_000).to_string();
        let run = json!({"table": "queue_leg", "before": time(before), "past_before": time(past),
            "policy_id": id(0xf6, 1), "rows_dropped": 5, "rows_held": 1, "counted_position": 0});
        append(&self.log, 900, "retention.applied", run);
    }

    async fn ask(&self, who: &Principal, sql: &str) -> Result<Vec<String>, String> {
        // On the heap: a test of many questions would hold all of their futures on its stack, which is 2 MiB.
        let asked = Box::pin(ask_sorted(&self.state, who, sql));
        asked.await.map_err(|error| error.to_string())
    }
}
