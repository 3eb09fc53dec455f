//! One subscriber: a random question, followed through a history with interruptions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ledgerline_access::{Principal, Role};
use ledgerline_projections::{ColumnType, TableDef};
use ledgerline_realtime::frame::Outgoing;
use ledgerline_realtime::resume::ResumeKey;
use ledgerline_realtime::session::{Now, Organization, Session};
use ledgerline_realtime::{Hub, Limits};
use ledgerline_schemas::Timestamp;
use serde_json::{Map, Value as Json, json};

use crate::arrow;
use crate::day::random::Random;
use crate::history::{History, ORG, Replay};

/// What was compared.
pub struct Seen {
    pub dataset: &'static str,
    pub frames: u64,
}

/// A question, and what its answer is at a position.
struct Question {
    table: &'static TableDef,
    filter: Map<String, Json>,
    columns: Option<BTreeSet<&'static str>>,
    max_hz: f64,
    format: &'static str,
}

impl Question {
    fn random(history: &History, random: &mut Random) -> Self {
        let table = *random.pick(&history.tables);
        let mut filter = Map::new();
        for _ in 0..random.below(3) {
            // A value that a row has at some time, so that rows come into the filter and leave it.
            let position = random.below(history.end() + 1);
            let rows = history.rows_at(table, position);
            if rows.is_empty() {
                continue;
            }
            let column = &table.columns[random.below(table.columns.len())];
            if column.column_type == ColumnType::Json {
                continue;
            }
            let value = random.pick(&rows)[column.name].clone();
            let orders = column.column_type != ColumnType::Bool;
            let test = match random.below(6) {
                0 => value,
                1 => json!([value, rows[0][column.name]]),
                2 if !value.is_null() && orders => json!({"gte": value}),
                3 if !value.is_null() && orders => json!({"lt": value}),
                4 => json!({"ne": value}),
                _ => json!({"ne": null}),
            };
            if !test.as_array().is_some_and(|list| list.iter().any(Json::is_null)) {
                filter.insert(column.name.to_owned(), test);
            }
        }
        let columns = random.chance(50).then(|| {
            let mut columns: BTreeSet<&str> = table.key.iter().copied().collect();
            columns.extend(table.columns.iter().map(|it| it.name).filter(|_| random.chance(30)));
            columns
        });
        Self { table, filter, columns, max_hz: 10.0, format: "json" }
    }

    /// The same question of somebody else: the first asks it as it is.
    fn of_another(&self, number: usize, random: &mut Random) -> Self {
        let columns = match number {
            0 => self.columns.clone(),
            1 => None,
            _ => Some(self.table.key.iter().copied().collect()),
        };
        let max_hz = *random.pick(&[0.5, 1.0, 4.0, 10.0, 50.0]);
        let format = *random.pick(&["json", "arrow"]);
        Self { table: self.table, filter: self.filter.clone(), columns, max_hz, format }
    }

    fn frame(&self, resume: Option<&str>) -> String {
        let mut frame = json!({"type": "subscribe", "id": "s", "dataset": self.table.name,
            "max_hz": self.max_hz, "filter": self.filter, "format": self.format});
        if let Some(columns) = &self.columns {
            frame["columns"] = json!(columns);
        }
        if let Some(token) = resume {
            frame["resume"] = json!(token);
        }
        frame.to_string()
    }

    /// By a way of its own: over JSON, not over rows.
    fn answer(&self, history: &History, position: usize) -> BTreeMap<String, Json> {
        let rows = history.rows_at(self.table, position);
        let passes =
            |row: &&Json| self.filter.iter().all(|(column, test)| holds(&row[column], test));
        rows.iter().filter(passes).map(|row| (self.key(row), self.shown(row))).collect()
    }

    fn shown(&self, row: &Json) -> Json {
        let (Json::Object(cells), Some(columns)) = (row, &self.columns) else { return row.clone() };
        let kept = cells.iter().filter(|(name, _)| columns.contains(name.as_str()));
        Json::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    fn key(&self, row: &Json) -> String {
        self.table.key.iter().map(|column| row[column].to_string()).collect::<Vec<_>>().join(" ")
    }
}

fn holds(value: &Json, test: &Json) -> bool {
    match test {
        Json::Array(list) => list.contains(value),
        Json::Object(tests) => tests.iter().all(|(operator, with)| {
            let order = compare(value, with);
            match operator.as_str() {
                "ne" if with.is_null() => !value.is_null(),
                "ne" => !value.is_null() && value != with,
                "gte" => order.is_some_and(|it| it.is_ge()),
                "lt" => order.is_some_and(|it| it.is_lt()),
                other => panic!("no such test: {other}"),
            }
        }),
        plain => value == plain,
    }
}

/// Numbers by size, texts by bytes; instants are written so that their texts are in their order.
fn compare(one: &Json, two: &Json) -> Option<std::cmp::Ordering> {
    match (one, two) {
        (Json::Number(one), Json::Number(two)) => Some(one.as_i64()?.cmp(&two.as_i64()?)),
        (Json::String(one), Json::String(two)) => Some(one.cmp(two)),
        _ => None,
    }
}

struct Subscriber<'a> {
    history: &'a Arc<History>,
    question: Question,
    rows: BTreeMap<String, Json>,
    position: u64,
    token: Option<String>,
    complete: bool,
    frames: u64,
    resync: bool,
    seed: u64,
}

impl Subscriber<'_> {
    fn take(&mut self, frame: &Outgoing) {
        let has_rows = ["rows", "delta"].contains(&frame.kind);
        assert_eq!(frame.arrow.is_some(), has_rows && self.question.format == "arrow");
        let frame: Json = match &frame.arrow {
            Some(bytes) => arrow::frame_of(bytes, self.question.table),
            None => serde_json::from_str(&frame.text).unwrap(),
        };
        let it = format!("seed {}, {}: {frame}", self.seed, self.question.frame(None));
        let number = |name: &str| frame[name].as_u64().unwrap_or_else(|| panic!("{name} of {it}"));
        let list = |name: &str| frame[name].as_array().cloned().unwrap_or_else(|| panic!("{it}"));
        match frame["type"].as_str().unwrap() {
            "snapshot_begin" => {
                // A token of before says nothing of these rows.
                (self.rows, self.token, self.complete) = (BTreeMap::new(), None, false);
                self.position = number("position");
            }
            "rows" => {
                for row in list("rows") {
                    assert!(
                        self.rows.insert(self.question.key(&row), row).is_none(),
                        "twice: {it}"
                    );
                }
            }
            "snapshot_end" => {
                assert_eq!(number("position"), self.position, "{it}");
                self.compare(&it);
            }
            "delta" => {
                assert_eq!(number("from"), self.position, "gap or overlap: {it}");
                assert!(number("to") > self.position, "nothing new: {it}");
                self.position = number("to");
                for row in list("upserts") {
                    self.rows.insert(self.question.key(&row), row);
                }
                for row in list("deletes") {
                    let had = self.rows.remove(&self.question.key(&row));
                    assert!(had.is_some(), "never had {row}: {it}");
                }
                self.compare(&it);
            }
            "progress" => {
                assert!(number("position") >= self.position, "{it}");
                self.position = number("position");
                self.compare(&it);
            }
            "resync" => {
                assert_eq!(frame["reason"], "retention", "{it}");
                self.resync = true;
            }
            "ready" => {}
            _ => panic!("unexpected: {it}"),
        }
        if let Some(token) = frame["token"].as_str() {
            self.token = Some(token.to_owned());
        }
    }

    fn compare(&mut self, it: &str) {
        let position = usize::try_from(self.position).unwrap();
        assert_eq!(self.rows, self.question.answer(self.history, position), "{it}");
        (self.complete, self.frames) = (true, self.frames + 1);
    }
}

fn session_of(hub: &Arc<Hub>, key: &ResumeKey, limits: &Arc<Limits>) -> Session {
    let who = Principal {
        org_id: ORG,
        subject: "someone".to_owned(),
        roles: [Role::Supervisor].into(),
        user_id: None,
        user_profile_id: None,
    };
    let organization = Organization { hub: Arc::clone(hub), log: None };
    Session::new(who, organization, key.clone(), Arc::clone(limits)).unwrap()
}

/// A subscriber with its connection, if it has one.
struct Connected<'a> {
    session: Option<Session>,
    it: Subscriber<'a>,
    now: Now,
}

impl Connected<'_> {
    fn has_all(&self) -> bool {
        let end = self.it.history.end() as u64;
        self.session.is_some() && self.it.complete && self.it.position == end
    }

    /// Comes, or comes again with the token it has, or without.
    fn connect(&mut self, mut session: Session, with_token: bool) {
        let token = self.it.token.clone().filter(|_| with_token);
        self.it.complete &= token.is_some();
        session.handle(&self.it.question.frame(token.as_deref()), self.now);
        self.session = Some(session);
    }

    /// Takes so many frames at most: what happens then finds snapshots unfinished too.
    fn poll(&mut self, ms: u64, frames: usize) {
        let Some(session) = &mut self.session else { return };
        self.now.ms += ms;
        for _ in 0..frames {
            let Some(frame) = session.next_frame(self.now) else { break };
            self.it.take(&frame);
        }
        if std::mem::take(&mut self.it.resync) {
            session.handle(&self.it.question.frame(None), self.now);
            self.it.complete = false;
        }
    }
}

/// Follows a history to its end, with two more who ask the same, at other rates and for other columns.
pub async fn follow(history: &Arc<History>, seed: u64) -> Seen {
    let mut random = Random::of(seed ^ 0x5eed);
    let question = Question::random(history, &mut random);
    let retained = *random.pick(&[8, 60, 10_000]);
    let snapshot_rows = *random.pick(&[1, 3, 500]);
    let limits =
        Arc::new(Limits { snapshot_rows, retained_changes: retained, ..Limits::default() });
    let replay = Replay::new(Arc::clone(history));
    let (hub, following) = Hub::new(Arc::new(replay.clone()), retained);
    let following = tokio::spawn(following);
    let key = ResumeKey::random().unwrap();
    let dataset = question.table.name;
    let mut all: Vec<Connected<'_>> = (0..3)
        .map(|number| {
            let question = question.of_another(number, &mut random);
            let now = Now { ms: 0, time: Timestamp::from_millis(1_800_000_000_000) };
            let it = Subscriber {
                history,
                question,
                rows: BTreeMap::new(),
                position: 0,
                token: None,
                complete: false,
                frames: 0,
                resync: false,
                seed,
            };
            Connected { session: None, it, now }
        })
        .collect();
    let mut rounds = 0;
    while replay.told() < history.end() || !all.iter().all(Connected::has_all) {
        rounds += 1;
        let one = random.below(all.len());
        assert!(rounds < 20_000, "seed {seed}: stands still at {}", all[one].it.position);
        let connected = all[one].session.is_some();
        match random.below(40) {
            0 => replay.cut(),
            // Gone for a while: what the others asked meanwhile may begin after what it has.
            1..3 => all[one].session = None,
            3..6 if connected => {
                let with_token = random.chance(80);
                all[one].connect(session_of(&hub, &key, &limits), with_token);
            }
            6..12 => replay.tell(1 + random.below(8), random.below(3)),
            12..16 if !connected => {
                let with_token = random.chance(90);
                all[one].connect(session_of(&hub, &key, &limits), with_token);
            }
            _ => all[one].poll(random.below(900) as u64, 1 + random.below(6)),
        }
        // Waits until the hub has what was told; after a cut it attaches again by itself.
        let told = replay.told() as u64;
        hub.watch_head().wait_for(|head| head.position.0 >= told).await.unwrap();
    }
    following.abort();
    Seen { dataset, frames: all.iter().map(|it| it.it.frames).sum() }
}
