//! kill -9 of a process that folds a moving log, at random moments: between and in the middle of commits,
//! merges of files, and the removal of files and of rows that are no longer kept.
//!
//! After every kill the tables are opened as a server opens them and follow the log to its head; their
//! checksums have to be those of tables that are built from nothing. Rounds: `LEDGERLINE_KILLS` (default 10),
//! seed: `LEDGERLINE_SEED`.

#![allow(clippy::expect_used, reason = "a test helper that cannot go on should fail the test")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ledgerline_event_store::crypt::at_rest::ClearFiles;
use ledgerline_event_store::{Append, EmbeddedLog, EventReader, EventWriter};
use ledgerline_projections::{Options, Projections, checksum, maintain, rebuild};
use ledgerline_schemas::config::ChannelType;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::interaction::{
    Direction, InteractionCreated, InteractionEnded, LastStage, Relationship, TerminatingEnd,
    TerminationReason,
};
use ledgerline_schemas::event::queue::{QueueEntered, QueueLeaveReason, QueueLeft, QueueSource};
use ledgerline_schemas::event::retention::RetentionApplied;
use ledgerline_schemas::id::{EntryPointId, EventId, InteractionId, LegId, OrgId, QueueId};
use ledgerline_schemas::{Actor, NewEvent, Position, StreamId, Timestamp};

const ORG: OrgId = OrgId::from_u128(0xa1);
/// Where the child works; without it the child's test does nothing.
const FOLDER: &str = "LEDGERLINE_TABLES_TO_KILL";
/// Calls that the child appends at once.
const CALLS: u128 = 8;
/// After them, of these tables everything but the newest rows is dropped.
const DROPPED: [&str; 4] = ["queue_leg", "customer_session", "customer_activity", "queue_interval"];
/// Events of such an append.
const EVENTS: u128 = CALLS * 4 + DROPPED.len() as u128;
/// Rounds over one log; then another one begins, so that a round stays short.
const ROUNDS_OF_A_LOG: u64 = 20;

fn options() -> Options {
    Options {
        flush_positions: 32,
        settle_positions: 24,
        publish_interval: Duration::from_millis(1),
        state_bytes_max: 100_000,
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Splitmix64.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn log(folder: &Path) -> Arc<EmbeddedLog> {
    Arc::new(EmbeddedLog::open(&folder.join("log"), ORG, Default::default()).expect("log"))
}

/// A call a minute that waits ten seconds and gives up: four events.
fn call(number: u128) -> Vec<NewEvent> {
    let interaction_id = InteractionId::from_u128(number);
    let (leg_id, queue_id) = (LegId::from_u128(number), QueueId::from_u128(number % 3));
    let entry_point_id = Some(EntryPointId::from_u128(number % 2));
    let events: [(i64, Event); 4] = [
        (
            0,
            InteractionCreated {
                interaction_id,
                channel_type: ChannelType::Voice,
                channel_sub_type: None,
                direction: Direction::Inbound,
                entry_point_id,
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
            .into(),
        ),
        (
            0,
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
            .into(),
        ),
        (
            10_000,
            QueueLeft {
                interaction_id,
                leg_id,
                queue_id,
                reason: QueueLeaveReason::Abandoned,
                wait_ms: 10_000,
            }
            .into(),
        ),
        (
            10_000,
            InteractionEnded {
                interaction_id,
                terminating_end: TerminatingEnd::Customer,
                reason: TerminationReason::CustomerLeft,
                last_stage: LastStage::Queue,
            }
            .into(),
        ),
    ];
    let new = |(index, (ms, event)): (usize, (i64, Event))| {
        recorded(number * 4 + index as u128, begin(number).plus_ms(ms.unsigned_abs()), &event)
    };
    events.into_iter().enumerate().map(new).collect()
}

/// When a call begins.
fn begin(number: u128) -> Timestamp {
    Timestamp::from_millis(1_709_283_600_000 + number as i64 * 60_000)
}

/// Drops what is older than the newest 12 calls, and gives up the past of what was dropped 20 calls ago.
fn runs(calls: u128) -> Vec<NewEvent> {
    let run = |(index, table): (usize, &&str)| {
        let event = RetentionApplied {
            table: (*table).to_owned(),
            before: begin(calls.saturating_sub(12)),
            past_before: begin(calls.saturating_sub(20)),
            policy_id: Default::default(),
            rows_dropped: 0,
            rows_held: 0,
            counted_position: Position::START,
        };
        recorded((1 << 100) + calls * 4 + index as u128, begin(calls), &event.into())
    };
    DROPPED.iter().enumerate().map(run).collect()
}

fn recorded(id: u128, time: Timestamp, event: &Event) -> NewEvent {
    NewEvent {
        id: EventId::from_u128(id),
        stream: StreamId::new("calls"),
        event_type: event.event_type().into(),
        time,
        command_id: Default::default(),
        correlation_id: Default::default(),
        causation_id: None,
        actor: Actor::router(),
        config_position: Position(1),
        traceparent: None,
        data_subject_id: None,
        payload: event.encode(),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime")
}

/// The process that is killed: appends calls and folds them, and says how far it is. The tables are behind the
/// log most of the time, so that commits and merges are under way whenever the end comes.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let log = log(&folder);
    let reader: Arc<dyn EventReader> = log.clone();
    let tables = Projections::start(reader, folder.join("tables"), options()).expect("tables");
    let runtime = runtime();
    for round in 0_u64.. {
        let first = u128::from(log.head().0) / EVENTS * CALLS;
        let mut events: Vec<NewEvent> = (first..first + CALLS).flat_map(call).collect();
        events.extend(runs(first + CALLS));
        let append = Append { events, expected: Vec::new() };
        let submitted = log.submit(append).expect("submit");
        runtime.block_on(submitted).expect("append");
        if round % 16 == 15 {
            runtime.block_on(tables.wait_for(log.head())).expect("folded");
        }
        let said = writeln!(std::io::stdout(), "at {}", log.head().0);
        if said.is_err() {
            return;
        }
    }
}

/// Runs the child until it has said so many lines, then kills it.
fn killed_after(folder: &Path, lines: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "child", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("child");
    let said = BufReader::new(child.stdout.take().expect("output")).lines();
    let said: Vec<String> = said
        .map_while(Result::ok)
        .filter(|line| line.starts_with("at "))
        .take(usize::try_from(lines).expect("few"))
        .collect();
    child.kill().expect("kill");
    child.wait().expect("end");
    assert_eq!(said.len() as u64, lines, "the child ended by itself");
    said.last().and_then(|line| line.strip_prefix("at ")?.parse().ok()).expect("a position")
}

#[test]
fn tables_of_a_killed_process_are_those_of_a_fresh_build() {
    let rounds = number("LEDGERLINE_KILLS", 10);
    let mut seed = number("LEDGERLINE_SEED", 20_261_129);
    println!("LEDGERLINE_KILLS={rounds} LEDGERLINE_SEED={seed}");
    let (mut events, mut merged, mut committed, mut removed) = (0, 0, 0, 0);
    let mut folder = tempfile::tempdir().expect("folder");
    for round in 0..rounds {
        if round % ROUNDS_OF_A_LOG == 0 {
            folder = tempfile::tempdir().expect("folder");
        }
        let acknowledged = killed_after(folder.path(), 1 + next(&mut seed) % 24);
        let log = log(folder.path());
        let head = log.head();
        assert!(head.0 >= acknowledged, "round {round}: the log lost events");
        let reader: Arc<dyn EventReader> = log.clone();
        let tables = Projections::start(reader, folder.path().join("tables"), options());
        let tables = tables.unwrap_or_else(|error| panic!("round {round}: {error}"));
        let found = runtime().block_on(async {
            tables.wait_for(head).await.expect("folded");
            let found = checksum(&tables.snapshot()).expect("readable");
            tables.stop().await;
            found
        });
        let fresh = folder.path().join("fresh");
        // All in memory: rows depend on no option, and this is what takes the time of a round.
        let in_memory = Options { flush_positions: u64::MAX, ..options() };
        let built = rebuild(&*log, &fresh, in_memory, |_, _| {}).expect("build");
        assert_eq!(built.position, head);
        assert_eq!(found, built.after, "round {round}, seed {seed}");
        std::fs::remove_dir_all(&fresh).expect("remove");
        let names = |part: &str| {
            let folder = folder.path().join("tables/g1").join(part);
            std::fs::read_dir(folder).expect("folder").count()
        };
        if round % ROUNDS_OF_A_LOG == ROUNDS_OF_A_LOG - 1 || round == rounds - 1 {
            let reader: Arc<dyn EventReader> = log.clone();
            let dir = folder.path().join("tables");
            let kept = maintain(reader, &dir, options(), Arc::new(ClearFiles)).expect("kept up");
            // Those of the last appends may be in memory still.
            let legs = kept.after.get("queue_leg").map_or(0, |files| files.rows) + 40;
            let all = head.0 / EVENTS as u64 * CALLS as u64;
            removed += all.saturating_sub(legs);
            events += head.0;
            merged += names("exchange");
            committed += names("manifest");
        }
    }
    println!(
        "{rounds} kills, {events} events, {committed} commits, {merged} exchanges, {removed} legs removed: all as built anew"
    );
    assert!(removed > 0 || rounds < 5, "no row was removed: the rounds are too short");
    assert!(
        merged > 0 || rounds < 5,
        "nothing was merged: the rounds are too short to show anything"
    );
}
