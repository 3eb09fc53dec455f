//! The figures of a demo, read back through SQL and compared with each other.

use std::collections::BTreeMap;

use ledgerline_simulation::Totals;
use reqwest::Client;
use serde_json::{Value, json};

use super::agreement::Agreement;
use crate::failure::Failure;
use crate::output::say;

/// The public doors and a token for them.
#[derive(Clone, Debug)]
pub(super) struct Door {
    pub(super) base: String,
    pub(super) token: String,
}

/// What became of legs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) offered: i64,
    pub(super) answered: i64,
    pub(super) abandoned: i64,
    pub(super) other: i64,
    pub(super) open: i64,
}

impl Counts {
    fn adds_up(&self) -> bool {
        self.offered == self.answered + self.abandoned + self.other + self.open
    }

    fn add(&mut self, more: &Self) {
        self.offered += more.offered;
        self.answered += more.answered;
        self.abandoned += more.abandoned;
        self.other += more.other;
        self.open += more.open;
    }

    fn total<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        all.fold(Self::default(), |mut total, counts| {
            total.add(counts);
            total
        })
    }
}

/// Everything the summary needs, at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    legs: BTreeMap<String, Counts>,
    log: Counts,
    ronas: i64,
    transfers: i64,
    ended_in_ivr: i64,
    events: i64,
    wait_ms: i64,
    service_level: Option<f64>,
}

const LEGS: &str = "\
select channel_type, count(*) as offered,
       count(*) filter (where outcome = 'answered') as answered,
       count(*) filter (where outcome = 'abandoned') as abandoned,
       count(*) filter (where outcome = 'other') as other,
       count(*) filter (where outcome = 'open') as open
from queue_leg group by channel_type order by channel_type";

const LOG: &str = r#"
select count(*) filter (where event_type = 'queue.entered') as entered,
       count(*) filter (where event_type = 'queue.left') as left,
       count(*) filter (where event_type = 'queue.left' and data like '%"reason":"assigned"%') as answered,
       count(*) filter (where event_type = 'queue.left' and data like '%"reason":"abandoned"%') as abandoned,
       count(*) filter (where event_type = 'offer.timed_out') as ronas,
       count(*) filter (where event_type = 'transfer.completed') as transfers,
       count(*) filter (where event_type = 'interaction.ended' and data like '%"last_stage":"ivr"%') as ivr,
       count(*) as events
from event_log"#;

const WAIT: &str = "\
select coalesce(sum(queue_duration_ms), 0) as wait_ms,
       sl_negative(outcome, queue_duration_ms, 20000) as service_level
from queue_leg where outcome in ('answered', 'abandoned')";

async fn ask(door: &Door, sql: &str) -> Result<Vec<Value>, Failure> {
    send(door, json!({"sql": sql})).await
}

/// The rows of a question about a position.
pub(super) async fn ask_as_of(
    door: &Door,
    sql: &str,
    position: u64,
) -> Result<Vec<Value>, Failure> {
    send(door, json!({"sql": sql, "as_of": position})).await
}

async fn send(door: &Door, body: Value) -> Result<Vec<Value>, Failure> {
    let response = Client::new()
        .post(format!("{}/v1/sql", door.base))
        .bearer_auth(&door.token)
        .header("accept", "application/json")
        .json(&body)
        .send()
        .await
        .map_err(Failure::unavailable)?;
    let status = response.status();
    let answer: Value = response.json().await.map_err(Failure::unavailable)?;
    if !status.is_success() {
        return Err(Failure::software(format!("SQL was answered {status}: {answer}")));
    }
    Ok(answer.get("rows").and_then(Value::as_array).cloned().unwrap_or_default())
}

fn int(row: &Value, name: &str) -> i64 {
    row.get(name).and_then(Value::as_i64).unwrap_or(0)
}

/// Reads the figures through the public SQL door.
pub(super) async fn read(door: &Door) -> Result<Figures, Failure> {
    let mut figures = Figures::default();
    for row in ask(door, LEGS).await? {
        let channel = row.get("channel_type").and_then(Value::as_str).unwrap_or_default();
        let counts = Counts {
            offered: int(&row, "offered"),
            answered: int(&row, "answered"),
            abandoned: int(&row, "abandoned"),
            other: int(&row, "other"),
            open: int(&row, "open"),
        };
        figures.legs.insert(channel.to_owned(), counts);
    }
    if let Some(row) = ask(door, LOG).await?.first() {
        let (entered, left) = (int(row, "entered"), int(row, "left"));
        let (answered, abandoned) = (int(row, "answered"), int(row, "abandoned"));
        figures.log = Counts {
            offered: entered,
            answered,
            abandoned,
            other: left - answered - abandoned,
            open: entered - left,
        };
        figures.ronas = int(row, "ronas");
        figures.transfers = int(row, "transfers");
        figures.ended_in_ivr = int(row, "ivr");
        figures.events = int(row, "events");
    }
    if let Some(row) = ask(door, WAIT).await?.first() {
        figures.wait_ms = int(row, "wait_ms");
        figures.service_level = row.get("service_level").and_then(Value::as_f64);
    }
    Ok(figures)
}

fn show_counts(name: &str, counts: &Counts) {
    say(&format!(
        "  {name:<12} offered {:>5} = answered {:>5} + abandoned {:>4} + other {:>4} + open {:>3}",
        counts.offered, counts.answered, counts.abandoned, counts.other, counts.open
    ));
}

/// What the simulated people saw.
pub(super) fn show_tally(totals: &Totals) {
    say(&format!(
        "  customers     {} calls ({} answered, {} talked to an agent, {} left in the flow, {} gave up, {} cancelled), \
         {} chats ({} talked, {} gave up)",
        totals.calls,
        totals.calls_answered,
        totals.calls_talked,
        totals.calls_left_in_ivr,
        totals.calls_abandoned,
        totals.calls_cancelled,
        totals.chats,
        totals.chats_talked,
        totals.chats_abandoned,
    ));
    let answers: Vec<String> =
        totals.sip_answers.iter().map(|(status, count)| format!("{status} × {count}")).collect();
    say(&format!(
        "  SIP           final answers to customers: {}; transactions timed out: {}",
        answers.join(", "),
        totals.sip_timeouts
    ));
    say(&format!(
        "  phones        {} calls rang, {} not answered, {} busy; RTP packets {} sent, {} received",
        totals.phone_offers,
        totals.phone_ignored,
        totals.phone_busy,
        totals.rtp_sent,
        totals.rtp_received
    ));
    for (what, count) in &totals.surprises {
        say(&format!("  unexpected    {what} (× {count})"));
    }
}

/// Prints the summary and fails when figures disagree or something happened outside the scenario.
pub(super) fn summarize(
    before: &Figures,
    after: &Figures,
    live: &BTreeMap<String, Counts>,
    agreement: &Agreement,
    totals: &Totals,
) -> Result<(), Failure> {
    say("\nsummary, read back through SQL");
    let mut wrong = Vec::new();
    for (channel, counts) in &after.legs {
        show_counts(channel, counts);
        if !counts.adds_up() {
            wrong.push(format!("{channel}: the outcomes do not add up"));
        }
    }
    let legs = Counts::total(after.legs.values());
    let live = Counts::total(live.values());
    show_counts("queue_leg", &legs);
    show_counts("event_log", &after.log);
    show_counts("queue_live", &live);
    if legs != after.log || legs != live {
        wrong.push("event_log, queue_leg and queue_live disagree".to_owned());
    }
    let happened = [
        ("abandoned", legs.abandoned),
        ("RONA", after.ronas),
        ("transfers", after.transfers),
        ("ended in the IVR", after.ended_in_ivr),
    ];
    let list: Vec<String> =
        happened.iter().map(|(name, count)| format!("{name} {count}")).collect();
    say(&format!("  happened      {}", list.join(", ")));
    let closed = (legs.answered + legs.abandoned).max(1);
    let average = after.wait_ms / closed;
    let level = after.service_level.map_or_else(|| "-".to_owned(), |it| format!("{it:.1} %"));
    say(&format!(
        "  waiting       {average} ms on average, service level (20 s, negative) {level}"
    ));
    say(&format!(
        "  events        {} on the log, {} new",
        after.events,
        after.events - before.events
    ));
    say(&format!(
        "  live rows     {} datasets held against SQL as of the same position, {} times, {} rows: {}",
        agreement.compared.len(),
        agreement.compared.values().sum::<u64>(),
        agreement.rows,
        if agreement.differences.is_empty() { "identical" } else { "DIFFERENT" },
    ));
    wrong.extend(agreement.differences.iter().cloned());
    show_tally(totals);
    if totals.sip_timeouts > 0 {
        wrong.push(format!("{} SIP transactions timed out", totals.sip_timeouts));
    }
    if !totals.surprises.is_empty() {
        wrong.push("something happened outside the scenario".to_owned());
    }
    if wrong.is_empty() {
        say("all figures agree");
        return Ok(());
    }
    Err(Failure::software(wrong.join("; ")))
}
