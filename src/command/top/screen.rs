//! What `ledgerline top` shows, as lines of text.

use std::time::Instant;

use ledgerline_schemas::Timestamp;
use serde_json::Value;

use super::Pane;
use super::shown::{self, Shown, Tone, int};

/// Widest column, characters.
const CELL_MAX: usize = 28;

/// How far the tables are behind the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lag {
    /// Nobody says.
    Unknown,
    /// So many events.
    Events(u64),
}

/// The rows there are.
pub(super) struct Known<'a> {
    pub(super) queues: Vec<&'a Value>,
    pub(super) agents: Vec<&'a Value>,
    pub(super) contacts: Vec<&'a Value>,
    pub(super) teams: Vec<&'a Value>,
    /// Everything up to here is in them.
    pub(super) position: u64,
    pub(super) lag: Lag,
}

/// What is remembered from one picture to the next.
#[derive(Debug, Default)]
pub(super) struct Screen {
    /// A position and when it was seen, to tell how many events a second there are.
    seen: Option<(Instant, u64)>,
    rate: Option<f64>,
}

impl Screen {
    /// A picture of so many columns and lines.
    pub(super) fn lines(
        &mut self,
        known: &Known<'_>,
        only: Option<Pane>,
        (columns, lines): (usize, usize),
        now: Timestamp,
    ) -> Vec<(Tone, String)> {
        self.rated(known.position);
        let mut picture = vec![(Tone::Heading, self.head(known, now))];
        let queues = known.queues.iter().map(|row| shown::queue(row, now)).collect();
        let agents = known.agents.iter().filter_map(|row| shown::agent(row, now)).collect();
        let contacts = known.contacts.iter().map(|row| shown::contact(row, now)).collect();
        let mut panes: Vec<(Pane, &str, &[&str], Vec<Shown>)> = vec![
            (Pane::Queues, "Queues", &shown::QUEUES, queues),
            (Pane::Agents, "Agents", &shown::AGENTS, agents),
            (Pane::Contacts, "Contacts", &shown::CONTACTS, contacts),
        ];
        panes.retain(|(pane, ..)| only.is_none_or(|only| only == *pane));
        let count = panes.len();
        for (index, (_, title, headings, rows)) in panes.into_iter().enumerate() {
            // Each takes what it needs of an equal share of what is left; title, headings and an empty line are three.
            let left = lines.saturating_sub(picture.len());
            let room = (left / (count - index)).saturating_sub(3);
            picture.extend(pane(title, headings, rows, room));
        }
        for (_, line) in &mut picture {
            *line = line.chars().take(columns).collect();
        }
        picture.truncate(lines);
        picture
    }

    /// Notes a position; a rate is told once a second at most.
    fn rated(&mut self, position: u64) {
        let now = Instant::now();
        let Some((at, before)) = self.seen else {
            self.seen = Some((now, position));
            return;
        };
        let seconds = now.duration_since(at).as_secs_f64();
        if seconds >= 1.0 {
            self.rate = Some(position.saturating_sub(before) as f64 / seconds);
            self.seen = Some((now, position));
        }
    }

    fn head(&self, known: &Known<'_>, now: Timestamp) -> String {
        let sum = |rows: &[&Value], column: &str| -> i64 {
            rows.iter().map(|row| int(row, column)).sum()
        };
        let rate = self.rate.map_or_else(|| "–".to_owned(), |rate| format!("{rate:.0}"));
        let behind = match known.lag {
            Lag::Unknown => "–".to_owned(),
            Lag::Events(events) => events.to_string(),
        };
        format!(
            "Ledgerline {} UTC  waiting {}  contacts {}  agents {} ({} free)  position {}  events/s {rate}  \
             behind {behind}",
            now.to_string().get(11..19).unwrap_or_default(),
            sum(&known.queues, "in_queue_now"),
            known.contacts.len(),
            sum(&known.teams, "logged_on_agents"),
            sum(&known.teams, "available_agents"),
            known.position,
        )
    }
}

/// A pane of at most so many rows.
fn pane(title: &str, headings: &[&str], mut rows: Vec<Shown>, room: usize) -> Vec<(Tone, String)> {
    rows.sort_by(|left, right| left.order.cmp(&right.order));
    let hidden = rows.len().saturating_sub(room);
    let more = if hidden > 0 { format!(", {hidden} not shown") } else { String::new() };
    let mut lines = vec![
        (Tone::Plain, String::new()),
        (Tone::Heading, format!("{title} ({}{more})", rows.len())),
    ];
    rows.truncate(room);
    let width = |index: usize, heading: &str| {
        let cells = rows.iter().filter_map(|row| row.cells.get(index));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        widest.max(heading.chars().count()).min(CELL_MAX)
    };
    let widths: Vec<usize> =
        headings.iter().enumerate().map(|(index, heading)| width(index, heading)).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (cell, width) in cells.zip(&widths) {
            let cell: String = cell.chars().take(*width).collect();
            line.push_str(&format!("{cell:<width$}  "));
        }
        line.trim_end().to_owned()
    };
    lines.push((Tone::Away, line(&mut headings.iter().copied())));
    lines
        .extend(rows.iter().map(|row| (row.tone, line(&mut row.cells.iter().map(String::as_str)))));
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_picture_fits_and_says_what_it_leaves_out() {
        let queue = |number: i32| {
            json!({
                "queue_id": "q", "queue_name": format!("queue {number}"), "channel_type": "voice",
                "in_queue_now": number,
            })
        };
        let queues: Vec<Value> = (0..30).map(queue).collect();
        let teams = [json!({"logged_on_agents": 7, "available_agents": 2})];
        let known = Known {
            queues: queues.iter().collect(),
            agents: Vec::new(),
            contacts: Vec::new(),
            teams: teams.iter().collect(),
            position: 12,
            lag: Lag::Events(3),
        };
        let now = Timestamp::from_millis(1_709_283_600_000);
        let lines = Screen::default().lines(&known, None, (70, 24), now);
        assert!(lines.len() <= 24 && lines.iter().all(|(_, line)| line.chars().count() <= 70));
        let text = |at: usize| lines.get(at).map(|(_, line)| line.as_str()).unwrap_or_default();
        assert!(
            text(0).starts_with("Ledgerline 09:00:00 UTC  waiting 435  contacts 0"),
            "{}",
            text(0)
        );
        assert_eq!(text(2), "Queues (30, 26 not shown)");
        assert!(text(4).starts_with("queue 29"), "{}", text(4));
        let all = Screen::default().lines(&known, Some(Pane::Queues), (200, 40), now);
        assert_eq!(all.len(), 34);
        assert!(all.first().is_some_and(|(_, line)| {
            line.ends_with("agents 7 (2 free)  position 12  events/s –  behind 3")
        }));
    }
}
