//! The client in Rust on a real socket: its rows are those the tables have at its position, for every dataset and over
//! connections that end; its events are those of the log.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod center;

use std::fmt::Debug;

use center::Center;
use ledgerline_access::Role;
use ledgerline_realtime::Limits;
use ledgerline_realtime::client::{
    AgentLive, Applied, ClientError, EntryPointLive, Events, FlowLive, InteractionLive,
    IntervalCurrent, Live, LiveRow, Options, QueueLive, Replica, SiteLive, TeamLive,
};
use ledgerline_realtime::frame::{ErrorCode, ServerFrame};
use ledgerline_schemas::Position;
use serde_json::{Value as Json, json};

fn options(base: &str, token: &str) -> Options {
    Options { max_hz: Some(50.0), ..Options::new(base, token) }
}

/// Follows a dataset while events come and connections end; how many rows there were at most.
async fn follow<R: LiveRow + Debug + PartialEq>(center: &Center, base: &str) -> usize {
    let token = center.token(Role::Supervisor);
    let mut live: Live<R> = Live::open(options(base, &token)).await.unwrap();
    let mut most = 0;
    for round in 0..6 {
        let head = center.step(7).await;
        let position = live.reach(Position(head)).await.unwrap();
        let expected = center.rows(R::DATASET, position.0).await.into_iter();
        let expected: Vec<R> = expected.map(|row| serde_json::from_value(row).unwrap()).collect();
        let found: Vec<&R> = live.rows().collect();
        assert_eq!(found, expected.iter().collect::<Vec<_>>(), "{} at {position}", R::DATASET);
        most = most.max(found.len());
        if round % 2 == 1 {
            live.reconnect();
        }
    }
    most
}

#[tokio::test]
async fn typed_rows_are_those_of_the_tables() {
    let center = Center::new(Limits { snapshot_rows: 2, ..Limits::default() });
    let base = format!("http://{}", center.serve().await);
    for (most, least) in [
        (follow::<QueueLive>(&center, &base).await, 5),
        (follow::<AgentLive>(&center, &base).await, 3),
        (follow::<TeamLive>(&center, &base).await, 2),
        (follow::<SiteLive>(&center, &base).await, 1),
        (follow::<InteractionLive>(&center, &base).await, 4),
        (follow::<IntervalCurrent>(&center, &base).await, 1),
        // Nothing in this center makes one; the empty snapshot is followed all the same.
        (follow::<EntryPointLive>(&center, &base).await, 0),
        (follow::<FlowLive>(&center, &base).await, 0),
    ] {
        assert!(most >= least, "{most} rows, {least} expected");
    }
}

#[tokio::test]
async fn events_come_once_and_in_order_over_connections_that_end() {
    let center = Center::new(Limits { event_page: 3, ..Limits::default() });
    let base = format!("http://{}", center.serve().await);
    center.step(10).await;
    let token = center.token(Role::Supervisor);
    let mut events = Events::open(Options::new(&base, &token), Some(Position(4))).await.unwrap();
    let mut found = Vec::new();
    for round in 0..6 {
        let head = center.step(5).await;
        while events.position().is_none_or(|position| position.0 < head) {
            found.extend(events.next().await.unwrap());
            if found.len() % 4 == round % 4 {
                events.reconnect();
            }
        }
    }
    assert_eq!(found, center.events(4));
}

#[tokio::test]
async fn what_trying_again_would_not_help_is_an_error() {
    let center = Center::new(Limits::default());
    let base = format!("http://{}", center.serve().await);
    let token = center.token(Role::Supervisor);
    let bad = Options::new(&base, "nonsense");
    assert!(matches!(Live::<QueueLive>::open(bad).await, Err(ClientError::Token(_))));
    let https = Options::new("https://center.example", &token);
    assert!(matches!(Live::<QueueLive>::open(https).await, Err(ClientError::Base(_))));
    let filter = json!({"no_such_column": 1});
    let mut live =
        Live::<QueueLive>::open(Options { filter, ..options(&base, &token) }).await.unwrap();
    match live.next().await {
        Err(ClientError::Refused { code: ErrorCode::BadRequest, message }) => {
            assert!(message.contains("no_such_column"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    let auditor = center.token(Role::Auditor);
    let mut live = Live::<QueueLive>::open(options(&base, &auditor)).await.unwrap();
    assert!(matches!(
        live.next().await,
        Err(ClientError::Refused { code: ErrorCode::Forbidden, .. })
    ));
}

#[test]
fn a_gap_is_noticed_and_nothing_of_before_is_kept() {
    let frame = |json: Json| -> ServerFrame { serde_json::from_value(json).unwrap() };
    let agent = |id: &str, n: u64| json!({"agent_id": id, "n": n});
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Seen {
        agent_id: String,
        n: u64,
    }
    impl LiveRow for Seen {
        const DATASET: &'static str = "seen";
    }
    let mut replica = Replica::<Seen>::default();
    let mut take = |json: Json| replica.apply(frame(json)).unwrap();
    let begin = json!({"type": "snapshot_begin", "id": "1", "dataset": "seen", "key": ["agent_id"],
        "epoch": "1", "position": 4});
    let rows = json!({"type": "rows", "id": "1", "rows": [agent("a", 1), agent("b", 2)]});
    let end = json!({"type": "snapshot_end", "id": "1", "position": 4, "token": "t4"});
    let delta = |from: u64, to: u64| {
        json!({"type": "delta", "id": "1", "from": from, "to": to, "upserts": [agent("b", to)],
            "deletes": [{"agent_id": "a"}], "token": "t"})
    };
    assert_eq!(
        [take(begin), take(rows), take(end)],
        [Applied::Part, Applied::Part, Applied::Position]
    );
    assert_eq!(take(delta(4, 6)), Applied::Position);
    assert_eq!(take(delta(7, 9)), Applied::Lost);
    assert_eq!((replica.rows().count(), replica.is_whole(), replica.token()), (0, false, None));
}
