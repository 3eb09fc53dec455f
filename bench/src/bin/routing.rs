//! Routing decisions: how many a second, and how long one takes, as agents and waiting legs grow.
//!
//! Every measured command makes at least one decision with the stated number of legs waiting: an agent
//! ends a wrap-up and takes the best leg; a new customer enters the queue and is ranked. Commands that
//! only carry a call along (answer, end, media reports) are run but not measured.
//!
//! `cargo run --release -p ledgerline-bench --bin routing`

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::{Duration, Instant};

use ledgerline_routing_core::{Committed, Rejection, State, Step, confirm, decide_mut};
use ledgerline_schemas::command::{Command, Commanded};
use ledgerline_schemas::config::{ChannelType, EntityKind};
use ledgerline_schemas::document::Document;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::agent::DeviceType;
use ledgerline_schemas::event::media::{MediaLegEnded, MediaSide, ReleaseSide};
use ledgerline_schemas::id::{
    AgentSessionId, CommandId, CorrelationId, FlowId, InteractionId, MediaLegId,
    MultimediaProfileId, OfferId, OrgId, QueueId, SiteId, TeamId, UserId,
};
use ledgerline_schemas::{Actor, Position, Timestamp};
use serde_json::{Value, json};

const ORG: OrgId = OrgId::from_u128(1);
const TEAMS: usize = 100;
const QUEUES: usize = 50;
const MEASURED: usize = 20_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "agents  waiting  decisions/s  p50 us  p99 us  p99.9 us  max us")?;
    for (agents, waiting) in [(100, 1_000), (1_000, 10_000), (10_000, 100_000)] {
        let mut center = Center::new(agents)?;
        center.fill(waiting)?;
        let figures = center.measure()?;
        writeln!(
            out,
            "{agents:>6}  {waiting:>7}  {:>11.0}  {:>6.1}  {:>6.1}  {:>8.1}  {:>6.1}",
            figures.per_second,
            figures.at(0.5),
            figures.at(0.99),
            figures.at(0.999),
            figures.at(1.0),
        )?;
    }
    Ok(())
}

/// Latencies of the measured commands.
struct Figures {
    sorted: Vec<Duration>,
    per_second: f64,
}

impl Figures {
    fn of(mut latencies: Vec<Duration>, decisions: usize) -> Self {
        latencies.sort_unstable();
        let total: Duration = latencies.iter().sum();
        let per_second = decisions as f64 / total.as_secs_f64().max(f64::EPSILON);
        Self { sorted: latencies, per_second }
    }

    /// Latency in microseconds at a quantile, 0 to 1.
    fn at(&self, quantile: f64) -> f64 {
        let last = self.sorted.len().saturating_sub(1);
        let index = (last as f64 * quantile).round() as usize;
        self.sorted.get(index).map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
    }
}

fn id(kind: EntityKind, name: &str) -> uuid::Uuid {
    kind.derive_id(ORG, name).uuid()
}

/// A contact center under load.
struct Center {
    state: State,
    commands: u128,
    customers: u128,
    position: u64,
    now: Timestamp,
    /// Agents with the interaction they are connected to.
    busy: BTreeMap<UserId, InteractionId>,
}

impl Center {
    fn new(agents: usize) -> Result<Self, Box<dyn std::error::Error>> {
        let mut center = Self {
            state: State::new(),
            commands: 0,
            customers: 0,
            position: 0,
            now: Timestamp::from_millis(1_000_000_000),
            busy: BTreeMap::new(),
        };
        let site_id = SiteId::new(id(EntityKind::Site, "site"));
        let profile = MultimediaProfileId::new(id(EntityKind::MultimediaProfile, "calls"));
        center.put(EntityKind::Site, "site", json!({}))?;
        center.put(EntityKind::MultimediaProfile, "calls", json!({"voice": 1}))?;
        for team in 0..TEAMS {
            let document = json!({"site_id": site_id, "multimedia_profile_id": profile});
            center.put(EntityKind::Team, &format!("team {team}"), document)?;
        }
        for queue in 0..QUEUES {
            // Each queue is served by four teams in two groups, each team serves two queues.
            let teams = |from: usize| -> Vec<TeamId> {
                let names = (from..from + 2).map(|team| format!("team {}", team % TEAMS));
                names.map(|name| TeamId::new(id(EntityKind::Team, &name))).collect()
            };
            let groups =
                json!([{"team_ids": teams(queue * 2)}, {"team_ids": teams(queue * 2 + 2)}]);
            let document = json!({"channel_type": "voice", "call_distribution_groups": groups});
            let name = format!("queue {queue}");
            center.put(EntityKind::Queue, &name, document)?;
            let queue_id = QueueId::new(id(EntityKind::Queue, &name));
            let activities = json!({"queue": {"does": {"queue_contact": {"queue_id": queue_id}}}});
            let flow = json!({"start": "queue", "activities": activities});
            center.put(EntityKind::Flow, &name, flow)?;
            let flow_id = FlowId::new(id(EntityKind::Flow, &name));
            let number = queue.to_string();
            let entry = json!({"channel_type": "voice", "numbers": [number], "flow_id": flow_id});
            center.put(EntityKind::EntryPoint, &name, entry)?;
        }
        for agent in 0..agents {
            let name = format!("agent {agent}");
            let team_id = TeamId::new(id(EntityKind::Team, &format!("team {}", agent % TEAMS)));
            let document = json!({"team_ids": [team_id], "default_dn": name});
            center.put(EntityKind::User, &name, document)?;
            let agent_id = UserId::new(id(EntityKind::User, &name));
            center.run(Command::AgentLogin {
                agent_id,
                agent_session_id: AgentSessionId::new(agent_id.uuid()),
                team_id,
                dn: None,
                device_type: DeviceType::Extension,
            })?;
        }
        Ok(center)
    }

    /// Makes every agent busy and `waiting` more customers wait.
    fn fill(&mut self, waiting: usize) -> Result<(), Rejection> {
        let agents: Vec<UserId> = self.state.agents().map(|agent| agent.agent_id).collect();
        for _ in 0..waiting + agents.len() {
            self.arrive()?;
        }
        for agent_id in agents {
            let steps = self.run(Command::SetAvailable { agent_id })?;
            self.answer(&steps)?;
        }
        Ok(())
    }

    fn measure(&mut self) -> Result<Figures, Rejection> {
        let mut latencies = Vec::with_capacity(MEASURED * 2);
        let mut decisions = 0;
        let agents: Vec<UserId> = self.busy.keys().copied().collect();
        for agent_id in agents.into_iter().cycle().take(MEASURED) {
            let Some(interaction_id) = self.busy.remove(&agent_id) else { continue };
            self.run(Command::EndInteraction { agent_id, interaction_id })?;
            let wrap_up = Command::WrapUp { agent_id, interaction_id, aux_code_id: None };
            let (steps, taken) = self.timed(wrap_up)?;
            latencies.push(taken);
            decisions += made(&steps);
            self.answer(&steps)?;
            self.hang_up(interaction_id)?;
            let (steps, taken) = self.arrive()?;
            latencies.push(taken);
            decisions += made(&steps);
        }
        Ok(Figures::of(latencies, decisions))
    }

    fn put(
        &mut self,
        kind: EntityKind,
        name: &str,
        mut document: Value,
    ) -> Result<(), Box<dyn std::error::Error>> {
        if let Some(fields) = document.as_object_mut() {
            fields.insert("name".to_owned(), json!(name));
        }
        let document = Document::from_value(&document)?;
        self.run(Command::PutEntity { kind, entity_id: None, document, reason: None })?;
        Ok(())
    }

    /// A new customer reaches a queue; the time is that of entering it.
    fn arrive(&mut self) -> Result<(Vec<Step>, Duration), Rejection> {
        self.customers += 1;
        let interaction_id = InteractionId::from_u128(self.customers);
        self.run(Command::StartInteraction {
            interaction_id,
            channel_type: ChannelType::Voice,
            destination: (self.customers % QUEUES as u128).to_string(),
            origin: None,
            media_leg_id: MediaLegId::from_u128(self.customers),
            call_ref: String::new(),
            transport: "udp".to_owned(),
        })?;
        self.timed(Command::CustomerConnected { interaction_id, codec: "pcmu".to_owned() })
    }

    /// Phones that were dialled answer.
    fn answer(&mut self, steps: &[Step]) -> Result<(), Rejection> {
        let mut offered: BTreeMap<OfferId, UserId> = BTreeMap::new();
        for step in steps {
            match &step.decided.event {
                Event::OfferMade(it) => drop(offered.insert(it.offer_id, it.agent_id)),
                Event::MediaLegDialled(it) => {
                    self.run(Command::MediaLegAnswered {
                        interaction_id: it.interaction_id,
                        media_leg_id: it.media_leg_id,
                        side: MediaSide::Agent,
                        offer_id: it.offer_id,
                        codec: "pcmu".to_owned(),
                    })?;
                    let agent_id = it.offer_id.and_then(|offer| offered.get(&offer));
                    if let Some(agent_id) = agent_id {
                        self.busy.insert(*agent_id, it.interaction_id);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Every media leg of an interaction that is over goes down.
    fn hang_up(&mut self, interaction_id: InteractionId) -> Result<(), Rejection> {
        let Some(interaction) = self.state.interaction(interaction_id) else { return Ok(()) };
        let agents = interaction.agent_media.keys().map(|id| (*id, MediaSide::Agent));
        let customer = interaction.customer_media().map(|id| (id, MediaSide::Customer));
        let legs: Vec<_> = agents.chain(customer).collect();
        for (media_leg_id, side) in legs {
            self.run(Command::MediaLegEnded(MediaLegEnded {
                interaction_id,
                media_leg_id,
                side,
                released_by: ReleaseSide::Local,
                sip_status: 200,
                packets_received: 0,
                packets_sent: 0,
                packets_lost: 0,
            }))?;
        }
        Ok(())
    }

    fn run(&mut self, command: Command) -> Result<Vec<Step>, Rejection> {
        self.timed(command).map(|(steps, _)| steps)
    }

    /// Decides a command and confirms its events; the time is that of the decision alone.
    fn timed(&mut self, command: Command) -> Result<(Vec<Step>, Duration), Rejection> {
        self.commands += 1;
        self.now = self.now.plus_ms(1);
        let commanded = Commanded {
            org_id: ORG,
            command_id: CommandId::from_u128(self.commands),
            correlation_id: CorrelationId::from_u128(self.commands),
            actor: Actor::system("bench"),
            traceparent: None,
            data_subject_id: None,
            command,
        };
        let started = Instant::now();
        let steps = decide_mut(&mut self.state, &commanded, self.now)?;
        let taken = started.elapsed();
        let mut committed: Vec<Committed> = Vec::with_capacity(steps.len());
        for (index, step) in steps.iter().enumerate() {
            self.position += 1;
            let position = Position(self.position);
            let decided = step.decided.clone();
            committed.push(decided.committed(&commanded, index, self.now, position));
        }
        confirm(&mut self.state, &committed);
        Ok((steps, taken))
    }
}

fn made(steps: &[Step]) -> usize {
    let decisions = steps.iter().map(|step| &step.decided.event);
    decisions.filter(|event| matches!(event, Event::RoutingDecisionMade(_))).count()
}
