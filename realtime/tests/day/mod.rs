//! A contact center's day in a hundred events: agents come, pause and go, customers come, wait, are offered, talk, are
//! held, are transferred and leave, across the quarters of an hour.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

pub mod random;

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use ledgerline_event_store::log::{Append, EventWriter as _};
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::id::{EventId, OrgId};
use ledgerline_schemas::{Actor, NewEvent, Position, StreamId, Timestamp};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use random::Random;

/// 2026-03-01T09:00:00Z.
const BEGIN_MS: i64 = 1_772_355_600_000;
const AGENTS: usize = 4;

fn id(kind: u64, number: usize) -> String {
    Uuid::from_u64_pair(kind, number as u64).to_string()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Flow,
    Waiting { leg: usize, queue: usize },
    Offered { leg: usize, queue: usize, offer: usize, agent: usize },
    Talking { leg: usize, queue: usize, agent: usize, held: bool },
    WrappingUp { leg: usize, agent: usize },
}

/// When events happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Seconds apart, at times a quarter of an hour.
    Invented,
    /// Now.
    Now,
}

/// A day that goes on as long as it is asked for events.
pub struct Day {
    org_id: OrgId,
    random: Random,
    pace: Pace,
    now_ms: i64,
    made: Vec<NewEvent>,
    /// Number of the last event; the numbers of everything else begin after it.
    number: u64,
    calls: BTreeMap<usize, At>,
    calls_max: usize,
    began: usize,
    legs: usize,
    offers: usize,
    /// Sessions of agents who are logged in, by agent.
    sessions: BTreeMap<usize, (usize, &'static str)>,
    logged_in: usize,
    /// Alerts that are open: the queue each is about.
    alerts: BTreeMap<usize, usize>,
    fired: usize,
}

/// A log of so many events after its configuration, from a seed.
pub fn write(org_id: OrgId, seed: u64, events: usize) -> MemoryLog {
    let log = MemoryLog::new(org_id, || Timestamp::EPOCH);
    let mut day = Day::new(org_id, seed, 0, Pace::Invented);
    let configuration = day.configuration();
    let mut rest = events;
    append(&log, configuration);
    while rest > 0 {
        let mut some = day.step();
        some.truncate(rest);
        rest -= some.len();
        append(&log, some);
    }
    log
}

fn append(log: &MemoryLog, events: Vec<NewEvent>) {
    for event in events {
        log.submit(Append { events: vec![event], expected: vec![] }).unwrap();
    }
}

impl Day {
    /// A day whose events follow a log of so many.
    pub fn new(org_id: OrgId, seed: u64, after: u64, pace: Pace) -> Self {
        let base = after as usize;
        Self {
            org_id,
            random: Random::of(seed),
            pace,
            now_ms: BEGIN_MS,
            made: Vec::new(),
            number: after,
            calls: BTreeMap::new(),
            calls_max: 40,
            began: base,
            legs: base,
            offers: base,
            sessions: BTreeMap::new(),
            logged_in: base,
            alerts: BTreeMap::new(),
            fired: base,
        }
    }

    /// What is there before anything happens.
    pub fn configuration(&mut self) -> Vec<NewEvent> {
        self.configure();
        std::mem::take(&mut self.made)
    }

    /// What happens next: one event or a few that belong together.
    pub fn step(&mut self) -> Vec<NewEvent> {
        self.happen();
        std::mem::take(&mut self.made)
    }

    fn append(&mut self, event_type: &str, payload: Json) {
        self.number += 1;
        let event = Event::from_json(event_type, payload.clone())
            .unwrap_or_else(|error| panic!("{event_type} {payload}: {error}"));
        let time = match self.pace {
            Pace::Invented => Timestamp::from_millis(self.now_ms),
            Pace::Now => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
                Timestamp::from_micros(since.as_micros() as i64)
            }
        };
        self.made.push(NewEvent {
            id: EventId::derived(self.org_id.uuid(), &self.number.to_string()),
            stream: StreamId::new("test"),
            event_type: event.event_type().into(),
            time,
            command_id: Default::default(),
            correlation_id: Default::default(),
            causation_id: None,
            actor: Actor::router(),
            config_position: Position::START,
            traceparent: None,
            data_subject_id: None,
            payload: event.encode(),
        });
    }

    fn entity(&mut self, kind: &str, entity_id: String, version: usize, document: Json) {
        self.append(
            &format!("config.{kind}.{}", if version == 1 { "created" } else { "updated" }),
            json!({"entity_id": entity_id, "entity_version": version, "after": document,
                   "changed_paths": ["/name"]}),
        );
    }

    fn configure(&mut self) {
        for site in 0..2 {
            self.entity("site", id(1, site), 1, json!({"name": format!("site {site}")}));
        }
        for team in 0..2 {
            let document = json!({"name": format!("team {team}"), "site_id": id(1, team)});
            self.entity("team", id(2, team), 1, document);
        }
        for queue in 0..3 {
            self.queue(queue, 1);
        }
        for agent in 0..AGENTS {
            self.entity("user", id(4, agent), 1, json!({"name": format!("agent {agent}")}));
        }
    }

    fn queue(&mut self, queue: usize, version: usize) {
        let channel = if queue == 2 { "chat" } else { "voice" };
        let groups = json!([{"team_ids": [id(2, queue % 2)], "after_ms": 0}]);
        let document = json!({
            "name": format!("queue {queue}.{version}"), "channel_type": channel,
            "service_level_threshold_ms": 20_000, "call_distribution_groups": groups,
        });
        self.entity("queue", id(3, queue), version, document);
    }

    fn happen(&mut self) {
        self.now_ms += match self.random.below(12) {
            0..3 => 0,
            3..11 => self.random.below(20_000) as i64,
            _ => 900_000,
        };
        match self.random.below(21) {
            20 => self.alert(),
            0..3 => self.agent(),
            3 => {
                let (queue, version) = (self.random.below(3), self.number as usize);
                self.queue(queue, version);
            }
            4..8 if self.calls.len() < self.calls_max => self.begin(),
            _ => self.go_on(),
        }
    }

    fn alert(&mut self) {
        if let Some((alert, queue)) = self.alerts.pop_first() {
            self.append(
                "alert.cleared",
                json!({"alert_id": id(14, alert), "rule_id": id(15, 1), "rule": "long waits",
                       "severity": "warning", "dataset": "queue_live", "row_key": id(3, queue),
                       "place": {"queue_id": id(3, queue)}, "reason": "recovered", "value": 1,
                       "read_position": self.number}),
            );
            return;
        }
        self.fired += 1;
        let (alert, queue) = (self.fired, self.random.below(3));
        self.alerts.insert(alert, queue);
        self.append(
            "alert.fired",
            json!({"alert_id": id(14, alert), "rule_id": id(15, 1), "rule": "long waits",
                   "severity": "warning", "message": "look", "dataset": "queue_live", "row_key": id(3, queue),
                   "place": {"queue_id": id(3, queue)}, "figure": "in_queue_now", "comparison": "above",
                   "threshold": 3, "value": 4, "began_at": "2026-03-01T09:00:00Z",
                   "began_position": self.number, "read_position": self.number}),
        );
    }

    fn agent(&mut self) {
        let agent = self.random.below(AGENTS);
        let agent_id = id(4, agent);
        let Some((session, state)) = self.sessions.get(&agent).copied() else {
            self.logged_in += 1;
            let session = id(5, self.logged_in);
            self.sessions.insert(agent, (self.logged_in, "available"));
            self.append(
                "agent_session.started",
                json!({"agent_session_id": session, "agent_id": agent_id, "team_id": id(2, agent % 2),
                       "site_id": id(1, agent % 2), "device_type": "extension", "dn": "1",
                       "multimedia_profile_id": id(6, 1), "profile_config_position": 0, "skills": []}),
            );
            self.state(agent, "logged_out", "available");
            return;
        };
        let busy = self.calls.values().any(|at| match at {
            At::Offered { agent: it, .. }
            | At::Talking { agent: it, .. }
            | At::WrappingUp { agent: it, .. } => *it == agent,
            At::Flow | At::Waiting { .. } => false,
        });
        if !busy && self.random.chance(30) {
            self.sessions.remove(&agent);
            self.append(
                "agent_session.ended",
                json!({"agent_session_id": id(5, session), "agent_id": agent_id, "reason": "agent"}),
            );
            return;
        }
        let to = *self.random.pick(&["available", "idle", "not_responding"]);
        self.sessions.insert(agent, (session, to));
        self.state(agent, state, to);
    }

    fn state(&mut self, agent: usize, from: &str, to: &str) {
        let session = self.sessions[&agent].0;
        self.append(
            "agent_state.changed",
            json!({"agent_session_id": id(5, session), "agent_id": id(4, agent), "from": from, "to": to,
                   "cause": "agent", "requested_while_busy": false}),
        );
    }

    fn begin(&mut self) {
        self.began += 1;
        let call = self.began;
        let channel = if self.random.chance(30) { "chat" } else { "voice" };
        let mut created = json!({"interaction_id": id(7, call), "channel_type": channel,
            "direction": "inbound", "relationship": "none"});
        if self.random.chance(80) {
            created["entry_point_id"] = json!(id(8, self.random.below(2)));
        }
        self.append("interaction.created", created);
        if self.random.chance(80) {
            let flow_id = id(9, self.random.below(2));
            self.append(
                "flow.started",
                json!({"interaction_id": id(7, call), "flow_id": flow_id, "flow_version": 1,
                       "run_id": id(10, call)}),
            );
        }
        self.calls.insert(call, At::Flow);
    }

    fn go_on(&mut self) {
        let calls: Vec<usize> = self.calls.keys().copied().collect();
        if calls.is_empty() {
            return self.begin();
        }
        let call = *self.random.pick(&calls);
        match self.calls[&call] {
            At::Flow if self.random.chance(80) => self.enter(call, "flow"),
            At::Flow => self.end(call, "ivr"),
            At::Waiting { leg, queue } => self.waited(call, leg, queue),
            At::Offered { leg, queue, offer, agent } => {
                self.offered(call, leg, queue, offer, agent)
            }
            At::Talking { leg, queue, agent, held } => self.talked(call, leg, queue, agent, held),
            At::WrappingUp { leg, agent } => {
                let mut ended = leg_of(call, leg);
                ended["agent_id"] = json!(id(4, agent));
                ended["by"] = json!("agent");
                self.append("wrapup.ended", ended);
                self.calls.remove(&call);
            }
        }
    }

    fn enter(&mut self, call: usize, source: &str) {
        self.legs += 1;
        let (leg, queue) = (self.legs, self.random.below(3));
        let mut entered = leg_of(call, leg);
        let more = json!({"queue_id": id(3, queue), "leg_no": 1, "priority": 10, "wait_credit_ms": 0,
                          "requirements": [], "source": source});
        merge(&mut entered, more);
        self.append("queue.entered", entered);
        self.calls.insert(call, At::Waiting { leg, queue });
    }

    fn left(&mut self, call: usize, leg: usize, queue: usize, reason: &str) {
        let mut left = leg_of(call, leg);
        let wait_ms = self.random.below(60_000);
        merge(&mut left, json!({"queue_id": id(3, queue), "reason": reason, "wait_ms": wait_ms}));
        self.append("queue.left", left);
    }

    fn waited(&mut self, call: usize, leg: usize, queue: usize) {
        let agents: Vec<usize> = self.sessions.keys().copied().collect();
        match self.random.below(10) {
            0..2 => {
                self.left(call, leg, queue, "abandoned");
                self.end(call, "queue");
            }
            2 => {
                self.left(call, leg, queue, "moved");
                self.enter(call, "overflow");
            }
            _ if agents.is_empty() => self.agent(),
            _ => {
                self.offers += 1;
                let (offer, agent) = (self.offers, *self.random.pick(&agents));
                let mut made = leg_of(call, leg);
                merge(
                    &mut made,
                    json!({"offer_id": id(11, offer), "queue_id": id(3, queue), "decision_id": id(12, offer),
                           "agent_id": id(4, agent), "agent_session_id": id(5, self.sessions[&agent].0),
                           "team_id": id(2, agent % 2), "site_id": id(1, agent % 2), "channel_type": "voice",
                           "ring_timeout_ms": 10_000, "expires_at": "2026-03-01T10:00:00Z"}),
                );
                self.append("offer.made", made);
                self.calls.insert(call, At::Offered { leg, queue, offer, agent });
            }
        }
    }

    fn offered(&mut self, call: usize, leg: usize, queue: usize, offer: usize, agent: usize) {
        let mut it = leg_of(call, leg);
        merge(&mut it, json!({"offer_id": id(11, offer), "agent_id": id(4, agent)}));
        if self.random.chance(25) || !self.sessions.contains_key(&agent) {
            self.append("offer.timed_out", it);
            self.calls.insert(call, At::Waiting { leg, queue });
            return;
        }
        self.append("offer.accepted", it.clone());
        self.left(call, leg, queue, "assigned");
        merge(
            &mut it,
            json!({"queue_id": id(3, queue), "agent_session_id": id(5, self.sessions[&agent].0),
                   "team_id": id(2, agent % 2), "site_id": id(1, agent % 2)}),
        );
        self.append("leg.connected", it);
        self.calls.insert(call, At::Talking { leg, queue, agent, held: false });
    }

    fn talked(&mut self, call: usize, leg: usize, queue: usize, agent: usize, held: bool) {
        let mut it = leg_of(call, leg);
        it["agent_id"] = json!(id(4, agent));
        if self.random.chance(40) {
            self.append(if held { "hold.ended" } else { "hold.started" }, it);
            self.calls.insert(call, At::Talking { leg, queue, agent, held: !held });
            return;
        }
        let transferred = self.random.chance(30);
        let reason = if transferred { "transferred" } else { "agent_ended" };
        let mut ended = it.clone();
        merge(&mut ended, json!({"reason": reason, "connected_ms": self.random.below(90_000)}));
        self.append("leg.disconnected", ended);
        if transferred {
            return self.enter(call, "transfer");
        }
        self.append("wrapup.started", it);
        self.end(call, "connected");
        self.calls.insert(call, At::WrappingUp { leg, agent });
    }

    fn end(&mut self, call: usize, last_stage: &str) {
        self.append(
            "interaction.ended",
            json!({"interaction_id": id(7, call), "terminating_end": "customer",
                   "reason": "customer_left", "last_stage": last_stage}),
        );
        self.calls.remove(&call);
    }
}

fn leg_of(call: usize, leg: usize) -> Json {
    json!({"interaction_id": id(7, call), "leg_id": id(13, leg)})
}

fn merge(into: &mut Json, more: Json) {
    if let (Json::Object(into), Json::Object(more)) = (into, more) {
        into.extend(more);
    }
}
