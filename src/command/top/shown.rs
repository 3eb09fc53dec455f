//! Rows of live tables as lines of `ledgerline top`.

use ledgerline_schemas::Timestamp;
use serde_json::Value;

/// How a line stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    /// A heading.
    Heading,
    /// Somebody waits.
    Waiting,
    /// Something is wrong: waited too long, does not respond.
    Late,
    /// At work.
    Busy,
    /// Ready for work.
    Free,
    /// Not there.
    Away,
}

/// A row as its cells, where it stands among the others (least first), and whether it stands out.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) cells: Vec<String>,
    pub(super) order: (i64, i64, String),
    pub(super) tone: Tone,
}

fn text(row: &Value, name: &str) -> String {
    match row.get(name) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

/// A number of a row; 0 if it has none.
pub(super) fn int(row: &Value, name: &str) -> i64 {
    row.get(name).and_then(Value::as_i64).unwrap_or(0)
}

/// Seconds since an instant of a row; none if it has none. Clocks that differ never give less than nothing.
fn since(row: &Value, name: &str, now: Timestamp) -> Option<i64> {
    let then = Timestamp::parse(row.get(name)?.as_str()?).ok()?;
    Some(((now.micros() - then.micros()) / 1_000_000).max(0))
}

/// Seconds as `m:ss` or `h:mm:ss`.
fn clock(seconds: Option<i64>) -> String {
    let Some(seconds) = seconds else { return String::new() };
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{rest:02}")
    } else {
        format!("{minutes}:{rest:02}")
    }
}

/// The share of `part` in `whole` as a percentage; nothing of nothing.
fn share(part: i64, whole: i64) -> String {
    if whole <= 0 { String::new() } else { format!("{:.0}%", part as f64 * 100.0 / whole as f64) }
}

/// A name, or the beginning of an id where there is none.
fn name(row: &Value, name: &str, id: &str) -> String {
    let known = text(row, name);
    if known.is_empty() { text(row, id).chars().take(8).collect() } else { known }
}

/// Headings of [`queue`].
pub(super) const QUEUES: [&str; 10] = [
    "queue", "channel", "waiting", "longest", "talking", "wrap-up", "free", "staff", "in SL",
    "given up",
];

/// A row of `queue_live`: who waits longest first, late ones in red. `in SL` is answered within the threshold of
/// all answered and abandoned (`sl.negative`), `given up` abandoned of the same, both since the log began.
pub(super) fn queue(row: &Value, now: Timestamp) -> Shown {
    let (waiting, longest) = (int(row, "in_queue_now"), since(row, "oldest_entered_time", now));
    let limit = row.get("sl_threshold_ms").and_then(Value::as_i64).map(|ms| ms / 1_000);
    let late = longest.zip(limit).is_some_and(|(longest, limit)| longest > limit);
    let tone = match (waiting, late) {
        (0, _) => Tone::Plain,
        (_, false) => Tone::Waiting,
        (_, true) => Tone::Late,
    };
    let (answered, abandoned) = (int(row, "answered"), int(row, "abandoned"));
    let title = name(row, "queue_name", "queue_id");
    Shown {
        cells: vec![
            title.clone(),
            text(row, "channel_type"),
            waiting.to_string(),
            clock(longest),
            int(row, "connected_now").to_string(),
            int(row, "wrapup_now").to_string(),
            int(row, "available_agents").to_string(),
            int(row, "logged_on_agents").to_string(),
            share(int(row, "answered_in_sl"), answered + abandoned),
            share(abandoned, answered + abandoned),
        ],
        order: (-longest.unwrap_or(-1), -waiting, title),
        tone,
    }
}

/// Headings of [`agent`].
pub(super) const AGENTS: [&str; 8] =
    ["agent", "team", "state", "since", "idle code", "ringing", "talking", "wrap-up"];

/// A row of `agent_live`: who does not respond first, then who works; none of who is logged out.
pub(super) fn agent(row: &Value, now: Timestamp) -> Option<Shown> {
    let state = text(row, "state");
    if state == "logged_out" {
        return None;
    }
    let (talking, wrapup) = (int(row, "connected_count"), int(row, "wrapup_count"));
    let busy = talking + wrapup + int(row, "ringing_count") > 0;
    let (rank, tone) = match (state.as_str(), busy) {
        ("not_responding", _) => (0, Tone::Late),
        (_, true) => (1, Tone::Busy),
        ("available", false) => (2, Tone::Free),
        _ => (3, Tone::Away),
    };
    let (title, lasts) = (name(row, "agent_name", "agent_id"), since(row, "since", now));
    Some(Shown {
        cells: vec![
            title.clone(),
            name(row, "team_name", "team_id"),
            state,
            clock(lasts),
            text(row, "aux_code"),
            int(row, "ringing_count").to_string(),
            talking.to_string(),
            wrapup.to_string(),
        ],
        order: (rank, -lasts.unwrap_or(0), title),
        tone,
    })
}

/// Headings of [`contact`].
pub(super) const CONTACTS: [&str; 8] =
    ["interaction", "channel", "state", "since", "age", "queue", "agent", "entry point"];

/// A row of `interaction_live`: those that wait first, then the oldest.
pub(super) fn contact(row: &Value, now: Timestamp) -> Shown {
    let waits = row.get("is_waiting").and_then(Value::as_bool) == Some(true);
    let (lasts, age) = (since(row, "since", now), since(row, "created_time", now));
    Shown {
        cells: vec![
            text(row, "interaction_id").chars().take(13).collect(),
            text(row, "channel_type"),
            text(row, "state"),
            clock(lasts),
            clock(age),
            name(row, "queue_name", "queue_id"),
            name(row, "agent_name", "agent_id"),
            name(row, "entry_point_name", "entry_point_id"),
        ],
        order: (i64::from(!waits), -age.unwrap_or(0), text(row, "interaction_id")),
        tone: if waits { Tone::Waiting } else { Tone::Plain },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_709_283_600_000);

    #[test]
    fn queues_stand_in_the_order_of_who_waits_longest_and_late_ones_stand_out() {
        let row = |name: &str, entered: Option<&str>| {
            json!({
                "queue_id": "00000000-0000-0000-0000-000000000001", "queue_name": name,
                "channel_type": "voice", "sl_threshold_ms": 20_000,
                "in_queue_now": i32::from(entered.is_some()), "oldest_entered_time": entered,
                "answered": 3, "abandoned": 1, "answered_in_sl": 2,
            })
        };
        let idle = queue(&row("idle", None), NOW);
        let soon = queue(&row("soon", Some("2024-03-01T08:59:50Z")), NOW);
        let late = queue(&row("late", Some("2024-03-01T07:58:59Z")), NOW);
        assert_eq!(late.cells[..4], ["late", "voice", "1", "1:01:01"]);
        assert_eq!(late.cells[8..], ["50%", "25%"]);
        assert_eq!((idle.cells[3].as_str(), soon.cells[3].as_str()), ("", "0:10"));
        assert!(late.order < soon.order && soon.order < idle.order);
        assert_eq!([late.tone, soon.tone, idle.tone], [Tone::Late, Tone::Waiting, Tone::Plain]);
    }

    #[test]
    fn agents_who_are_logged_out_are_not_shown() {
        let row = |state: &str, connected: i32| json!({"agent_id": "x", "agent_name": "ann", "state": state, "connected_count": connected});
        assert!(agent(&row("logged_out", 0), NOW).is_none());
        let busy = agent(&row("available", 1), NOW).map(|it| it.order.0);
        let free = agent(&row("available", 0), NOW).map(|it| it.order.0);
        assert!(busy < free);
    }

    #[test]
    fn contacts_that_wait_come_first() {
        let row = |waits: bool, created: &str| json!({"interaction_id": "01", "is_waiting": waits, "created_time": created});
        let waits = contact(&row(true, "2024-03-01T08:59:50Z"), NOW);
        let old = contact(&row(false, "2024-03-01T07:00:00Z"), NOW);
        assert!(waits.order < old.order);
        assert_eq!(old.cells[4], "2:00:00");
    }
}
