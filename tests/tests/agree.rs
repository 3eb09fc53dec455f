//! The figures agree while the system runs and breaks: live counters, interval totals and sums over legs are the same
//! at every position looked at, the same question at the same position has the same bytes later, after kill -9 of
//! the serving process, and over tables that were built anew.
//!
//! Samples: `LEDGERLINE_AGREE_SAMPLES` (default 40), or for a time: `LEDGERLINE_AGREE_SECONDS`. Seed:
//! `LEDGERLINE_SEED`.

#![allow(clippy::expect_used, reason = "a test helper that cannot go on should fail the test")]

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use ledgerline_tests::{Server, ledgerline, succeed};
use serde_json::json;

/// Offered, answered, abandoned, other and open legs by the three ways to count them.
const TOTALS: &str = "\
select 'intervals' as way, coalesce(sum(offered), 0), coalesce(sum(answered), 0), coalesce(sum(abandoned), 0), \
       coalesce(sum(other), 0), coalesce(sum(open), 0) from queue_interval \
union all \
select 'legs', count(*), count(*) filter (where outcome = 'answered'), \
       count(*) filter (where outcome = 'abandoned'), count(*) filter (where outcome = 'other'), \
       count(*) filter (where outcome = 'open') from queue_leg \
union all \
select 'live', coalesce(sum(offered), 0), coalesce(sum(answered), 0), coalesce(sum(abandoned), 0), \
       coalesce(sum(other), 0), coalesce(sum(open), 0) from queue_live \
order by 1";

/// Questions whose answers are kept and asked again: open rows and final rows, live tables, intervals, the log.
const AGAIN: [&str; 4] = [
    TOTALS,
    "select * from queue_leg order by leg_id",
    "select interval_start, queue_name, channel_type, offered, answered, sum_wait_answered_ms, handled \
     from queue_interval order by 1, 2, 3",
    "select agent_name, state, count(*) from agent_activity group by 1, 2 order by 1, 2",
];

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

/// Simulated people who use the server until they are stopped.
struct People(Child);

impl People {
    fn use_it(server: &Server, data: &str, seed: u64) -> Self {
        let (url, sip, seed) = (server.url(), server.sip.to_string(), seed.to_string());
        let arguments = ["demo", "--against", &url, "--sip", &sip, "--token", data];
        let more = ["--rate", "600", "--seconds", "3600", "--seed", &seed];
        let child = ledgerline(&[&arguments[..], &more[..]].concat())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("demo starts");
        Self(child)
    }
}

impl Drop for People {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks a running server.
struct Analyst {
    client: reqwest::Client,
    url: String,
    token: String,
}

impl Analyst {
    fn of(server: &Server, data: &str) -> Self {
        let token = succeed(&["token", "--data", data, "--role", "administrator"]);
        Self {
            client: reqwest::Client::new(),
            url: format!("{}/v1/sql", server.url()),
            token: token.trim().to_owned(),
        }
    }

    /// The position and the bytes of an answer.
    async fn ask(&self, sql: &str, as_of: Option<u64>) -> (u64, String) {
        let mut body = json!({ "sql": sql, "format": "csv" });
        if let Some(as_of) = as_of {
            body["as_of"] = json!(as_of);
        }
        let request = self.client.post(&self.url).bearer_auth(&self.token).json(&body);
        let answer = request.send().await.expect("answers");
        let position =
            answer.headers().get("ledgerline-position").map(|it| it.to_str().map(str::to_owned));
        let status = answer.status();
        let text = answer.text().await.expect("text");
        assert_eq!(status, 200, "{sql}: {text}");
        let position = position.expect("has a position").expect("text").parse().expect("number");
        (position, text)
    }
}

/// Asserts that the three ways count alike; gives how many legs there are.
fn agreed(position: u64, answer: &str) -> u64 {
    let counts: Vec<&str> =
        answer.lines().skip(1).filter_map(|line| line.split_once(',')).map(|it| it.1).collect();
    assert_eq!(counts.len(), 3, "at {position}: {answer}");
    assert!(counts.iter().all(|it| *it == counts[0]), "they differ at {position}:\n{answer}");
    let cells: Vec<u64> = counts[0].split(',').map(|it| it.parse().unwrap_or(0)).collect();
    assert_eq!(cells[0], cells[1..].iter().sum::<u64>(), "at {position}: {answer}");
    cells[0]
}

type Kept = BTreeMap<(u64, usize), String>;

async fn same_again(analyst: &Analyst, kept: &Kept, when: &str) {
    for ((position, question), expected) in kept {
        let sql = AGAIN[*question];
        let (at, answer) = analyst.ask(sql, Some(*position)).await;
        assert_eq!(at, *position);
        assert_eq!(&answer, expected, "{when}, at {position}: {sql}");
    }
}

#[tokio::test]
async fn figures_agree_at_every_position_and_the_same_question_has_the_same_answer() {
    let seconds = number("LEDGERLINE_AGREE_SECONDS", 0);
    let samples = number("LEDGERLINE_AGREE_SAMPLES", 40);
    let mut seed = number("LEDGERLINE_SEED", 20_261_129);
    println!(
        "LEDGERLINE_AGREE_SECONDS={seconds} LEDGERLINE_AGREE_SAMPLES={samples} LEDGERLINE_SEED={seed}"
    );
    let temporary = tempfile::tempdir().expect("folder");
    let folder = temporary.path().join("data");
    let data = folder.to_string_lossy().into_owned();
    let began = Instant::now();
    let mut kept: Kept = BTreeMap::new();
    let (mut looked, mut kills, mut legs) = (0_u64, 0_u64, 0_u64);
    let goes_on = |looked: u64| match seconds {
        0 => looked < samples,
        _ => began.elapsed() < Duration::from_secs(seconds),
    };
    while goes_on(looked) {
        let server = Server::start(&folder, None);
        let analyst = Analyst::of(&server, &data);
        // What was answered before the kill is answered now; of many, those of a few positions.
        let few = kept.keys().map(|it| it.0).collect::<Vec<_>>();
        let chosen: Vec<u64> = (0..3)
            .filter_map(|_| few.get((next(&mut seed) % few.len().max(1) as u64) as usize).copied())
            .collect();
        let earlier = kept.iter().filter(|it| chosen.contains(&it.0.0));
        let earlier: Kept = earlier.map(|(key, answer)| (*key, answer.clone())).collect();
        same_again(&analyst, &earlier, "after kill -9").await;
        let people = People::use_it(&server, &data, next(&mut seed) % 1_000);
        let until = looked + 10 + next(&mut seed) % 10;
        let mut before = 0;
        while looked < until && goes_on(looked) {
            let (position, answer) = analyst.ask(TOTALS, None).await;
            let now = agreed(position, &answer);
            // Samples that see nothing new are not counted: the people have to do something first.
            if now == before {
                tokio::task::yield_now().await;
                continue;
            }
            (before, legs) = (now, now);
            looked += 1;
            if looked % 5 == 1 {
                for (question, sql) in AGAIN.iter().enumerate() {
                    // The first answer to the others may be of a later position: they are asked as of this one.
                    let (_, first) = analyst.ask(sql, Some(position)).await;
                    kept.insert((position, question), first);
                }
                assert_eq!(kept[&(position, 0)], answer, "live and as of {position}");
            }
        }
        drop(people);
        if goes_on(looked) {
            server.kill();
            kills += 1;
        } else {
            same_again(&analyst, &kept, "while it serves").await;
            assert_eq!(server.stop(), 0);
        }
    }
    let said = succeed(&["rebuild", "--data", &data]);
    assert!(!said.contains("DIFFERS") && said.contains("identical"), "{said}");
    let server = Server::start(&folder, None);
    same_again(&Analyst::of(&server, &data), &kept, "over tables that were built anew").await;
    assert_eq!(server.stop(), 0);
    let positions = kept.len() / AGAIN.len();
    println!(
        "{looked} positions, {legs} legs, {kills} kills; {} answers of {positions} positions asked again",
        kept.len()
    );
    assert!(legs > 0);
}
