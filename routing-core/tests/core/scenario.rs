//! The table language: a small organization, commands, and what they lead to.
//!
//! Every command a scenario runs is also checked for what must hold always: deciding on a copy gives the
//! same events, a follower that evolves the committed events has the same bytes and the same effects, a
//! refused command changes nothing, and no invariant is broken.

use std::fmt::Write as _;

use ledgerline_routing_core::{
    Committed, Effect, RejectionCode, State, Step, confirm, decide, decide_mut, evolve, invariant,
    next_timeout, react, snapshot,
};
use ledgerline_schemas::command::{Command, Commanded};
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::media::MediaSide;
use ledgerline_schemas::id::{CommandId, CorrelationId, MediaLegId, RunId, UserId};
use ledgerline_schemas::{Actor, ActorType, Position, Timestamp};
use serde_json::{Value, json};

pub(crate) use crate::commands::*;

/// A scenario under way.
pub(crate) struct Scenario {
    pub(crate) state: State,
    follower: State,
    pub(crate) now: Timestamp,
    position: u64,
    commands: u128,
    actor: Actor,
    checked: bool,
    /// The newest command's outcome.
    pub(crate) last: Result<Vec<Step>, RejectionCode>,
    refusal: String,
    /// Everything committed.
    pub(crate) log: Vec<Committed>,
}

impl Scenario {
    /// An empty organization.
    pub(crate) fn empty() -> Self {
        Self {
            state: State::new(),
            follower: State::new(),
            now: Timestamp::from_millis(1_000_000),
            position: 0,
            commands: 0,
            actor: Actor::new(ActorType::Admin, "tests"),
            checked: true,
            last: Ok(Vec::new()),
            refusal: String::new(),
            log: Vec::new(),
        }
    }

    /// The small organization most scenarios play in: ann and bob in team one, cat in team two; queue
    /// `sales` searches team one, after 10 s team two as well; queue `support` searches team two; queue
    /// `chats` searches both. Number 100 plays a welcome and queues into sales.
    pub(crate) fn new() -> Self {
        let site = entity(EntityKind::Site, "tokyo");
        let profile = entity(EntityKind::MultimediaProfile, "all");
        let teams = json!([team("one")]);
        let mut scenario = Self::empty().with(EntityKind::Site, "tokyo", json!({})).with(
            EntityKind::MultimediaProfile,
            "all",
            json!({"voice": 1, "chat": 2, "blending_mode": "blended_realtime"}),
        );
        for name in ["one", "two"] {
            let document = json!({"site_id": site, "multimedia_profile_id": profile});
            scenario = scenario.with(EntityKind::Team, name, document);
        }
        for (name, of) in [("ann", "one"), ("bob", "one"), ("cat", "two")] {
            let document = json!({"team_ids": [team(of)], "default_dn": format!("sip:{name}@pbx")});
            scenario = scenario.with(EntityKind::User, name, document);
        }
        for (name, kind) in [("break", "idle"), ("done", "wrap_up")] {
            let document = json!({"kind": kind, "is_default": true});
            scenario = scenario.with(EntityKind::AuxCode, name, document);
        }
        let sales = json!({
            "channel_type": "voice",
            "call_distribution_groups": [
                {"team_ids": teams, "wait_ms": 10_000},
                {"team_ids": [team("two")]},
            ],
        });
        let support = json!({
            "channel_type": "voice",
            "call_distribution_groups": [{"team_ids": [team("two")]}],
        });
        let chats = json!({
            "channel_type": "chat",
            "call_distribution_groups": [{"team_ids": [team("one"), team("two")]}],
        });
        scenario
            .with(EntityKind::Queue, "sales", sales)
            .with(EntityKind::Queue, "support", support)
            .with(EntityKind::Queue, "chats", chats)
            .with(EntityKind::Flow, "main", welcome_flow("sales"))
            .with(EntityKind::Flow, "chat", queue_flow("chats"))
            .with(EntityKind::EntryPoint, "hotline", entry_point("voice", "100", "main"))
            .with(EntityKind::EntryPoint, "web", entry_point("chat", "web", "chat"))
    }

    /// The same without the checks at every step.
    pub(crate) fn unchecked(mut self) -> Self {
        self.checked = false;
        self
    }

    /// Puts an entity.
    pub(crate) fn with(mut self, kind: EntityKind, name: &str, document: Value) -> Self {
        self.run(put(kind, name, document));
        assert!(self.last.is_ok(), "{} {name}: {}", kind.name(), self.refusal);
        self
    }

    /// Replaces number 100's flow by one that queues at once.
    pub(crate) fn straight_to(self, name: &str) -> Self {
        self.with(EntityKind::Flow, "main", queue_flow(name))
    }

    /// Runs commands that must be accepted.
    pub(crate) fn given(mut self, commands: impl IntoIterator<Item = Command>) -> Self {
        for command in commands {
            let shown = format!("{command:?}");
            self.run(command);
            assert!(self.last.is_ok(), "{shown} was refused: {}", self.refusal);
        }
        self
    }

    /// Runs a command.
    pub(crate) fn when(mut self, command: Command) -> Self {
        self.run(command);
        self
    }

    /// Runs a command in the name of somebody.
    pub(crate) fn when_by(mut self, actor: Actor, command: Command) -> Self {
        let before = std::mem::replace(&mut self.actor, actor);
        self.run(command);
        self.actor = before;
        self
    }

    /// A caller who is connected, with agents logged in and available.
    pub(crate) fn with_available(self, agents: &[(&str, &str)]) -> Self {
        let mut scenario = self;
        for (name, of) in agents {
            scenario = scenario.given([login(name, of), available(name)]).wait(1);
        }
        scenario
    }

    /// Lets time pass without firing anything.
    pub(crate) fn wait(mut self, ms: u64) -> Self {
        self.now = self.now.plus_ms(ms);
        self
    }

    /// Lets time pass and fires every timer on the way; the outcome is all of it.
    pub(crate) fn after(mut self, ms: u64) -> Self {
        let until = self.now.plus_ms(ms);
        let mut steps = Vec::new();
        for _ in 0..1_000 {
            let Some(due) = next_timeout(&self.state).filter(|due| *due <= until) else { break };
            self.now = self.now.max(due);
            self.run(Command::Tick);
            steps.extend(self.last.clone().expect("a tick is never refused"));
        }
        self.now = until;
        self.last = Ok(steps);
        self
    }

    /// The agent's phone answers the open offer of customer `n`.
    pub(crate) fn phone_answers(mut self, n: u32) -> Self {
        let (media_leg_id, offer_id) = self.ringing(n);
        self.run(Command::MediaLegAnswered {
            interaction_id: customer(n),
            media_leg_id,
            side: MediaSide::Agent,
            offer_id: Some(offer_id),
            codec: "pcmu".to_owned(),
        });
        self
    }

    /// The agent's phone answers with a final status.
    pub(crate) fn phone_fails(mut self, n: u32, sip_status: u16) -> Self {
        let (media_leg_id, offer_id) = self.ringing(n);
        self.run(Command::MediaLegFailed {
            interaction_id: customer(n),
            media_leg_id,
            side: MediaSide::Agent,
            offer_id: Some(offer_id),
            sip_status,
        });
        self
    }

    /// Media leg and offer that ring for customer `n`.
    pub(crate) fn ringing(&self, n: u32) -> (MediaLegId, ledgerline_schemas::id::OfferId) {
        let interaction = self.state.interaction(customer(n)).expect("a live interaction");
        let offer = interaction.offer().expect("an open offer");
        let media = interaction.agent_media.iter().find(|(_, it)| it.offer_id == offer.offer_id);
        (*media.expect("a ringing phone").0, offer.offer_id)
    }

    /// The media leg of the supervisor who listens to customer `n`, or listened last.
    pub(crate) fn listening(&self, n: u32) -> MediaLegId {
        let interaction = self.state.interaction(customer(n)).expect("a live interaction");
        let under_way = interaction.monitor().map(|(id, _)| id);
        let last = interaction.monitors.keys().next_back().copied();
        under_way.or(last).expect("a session")
    }

    /// The phone of the supervisor who wants to listen to customer `n` answers.
    pub(crate) fn supervisor_answers(mut self, n: u32) -> Self {
        self.run(Command::MediaLegAnswered {
            interaction_id: customer(n),
            media_leg_id: self.listening(n),
            side: MediaSide::Supervisor,
            offer_id: None,
            codec: "pcma".to_owned(),
        });
        self
    }

    /// The edges report the end of every media leg of customer `n`.
    pub(crate) fn wire_is_down(mut self, n: u32) -> Self {
        let legs: Vec<_> = self
            .state
            .media_legs()
            .filter(|(interaction, ..)| interaction.interaction_id == customer(n))
            .map(|(_, id, side)| (id, side))
            .collect();
        for (id, side) in legs {
            self.run(media_ended(n, id, side));
        }
        self
    }

    /// The prompt that customer `n` hears ends.
    pub(crate) fn prompt_ends(mut self, n: u32) -> Self {
        let (run_id, seq) = self.step(n);
        self.run(Command::PromptFinished { interaction_id: customer(n), run_id, seq });
        self
    }

    /// Customer `n` enters a choice.
    pub(crate) fn enters(mut self, n: u32, choice: &str) -> Self {
        let (run_id, seq) = self.step(n);
        self.run(Command::InputCollected {
            interaction_id: customer(n),
            run_id,
            seq,
            choice: choice.to_owned(),
            input: None,
        });
        self
    }

    /// Run and step customer `n` is in.
    pub(crate) fn step(&self, n: u32) -> (RunId, u32) {
        let interaction = self.state.interaction(customer(n)).expect("a live interaction");
        let run = interaction.run.as_ref().expect("a run");
        (run.run_id, run.seq)
    }

    /// The newest outcome is exactly these event types, in this order.
    #[track_caller]
    pub(crate) fn then(self, expected: &[&str]) -> Self {
        assert_eq!(self.types(), expected, "{}", self.refusal);
        self
    }

    /// The newest outcome has these effects, in this order (see [`effect_name`]).
    #[track_caller]
    pub(crate) fn then_effects(self, expected: &[&str]) -> Self {
        let steps = self.last.as_ref().expect("accepted");
        let effects = steps.iter().flat_map(|step| &step.effects).map(effect_name);
        assert_eq!(effects.collect::<Vec<_>>(), expected);
        self
    }

    /// The newest command was refused with this code and a message that names `field`.
    #[track_caller]
    pub(crate) fn then_refused(self, code: RejectionCode, field: &str) -> Self {
        assert_eq!(self.last.as_ref().err(), Some(&code), "{}", self.refusal);
        assert!(self.refusal.contains(field), "{:?} does not name {field}", self.refusal);
        self
    }

    /// The state fulfils a condition.
    #[track_caller]
    pub(crate) fn and(self, condition: impl FnOnce(&Self)) -> Self {
        condition(&self);
        self
    }

    /// Event types of the newest outcome.
    pub(crate) fn types(&self) -> Vec<&'static str> {
        let steps = self.last.as_deref().unwrap_or_default();
        steps.iter().map(|step| step.decided.event.event_type()).collect()
    }

    /// The newest event in the log that `pick` takes.
    pub(crate) fn newest<T>(&self, pick: impl Fn(&Event) -> Option<T>) -> T {
        self.log.iter().rev().find_map(|it| pick(&it.event)).expect("no such event in the log")
    }

    /// The agent that customer `n` is offered to.
    pub(crate) fn offered_to(&self, n: u32) -> Option<UserId> {
        self.state.interaction(customer(n))?.offer().map(|offer| offer.agent_id)
    }

    /// The agent that customer `n` is connected to.
    pub(crate) fn talks_to(&self, n: u32) -> Option<UserId> {
        self.state.interaction(customer(n))?.connection().map(|it| it.agent_id)
    }

    /// Runs a command and checks what must hold always.
    pub(crate) fn run(&mut self, command: Command) {
        self.commands += 1;
        let commanded = Commanded {
            org_id: ORG,
            command_id: CommandId::from_u128(self.commands),
            correlation_id: CorrelationId::from_u128(self.commands),
            actor: self.actor.clone(),
            traceparent: None,
            data_subject_id: None,
            command,
        };
        if !self.checked {
            let steps = decide_mut(&mut self.state, &commanded, self.now);
            if let Ok(steps) = &steps {
                self.commit(&commanded, steps);
            }
            self.last = steps.map_err(|rejection| rejection.code);
            return;
        }
        let before = snapshot::hash(&self.state);
        let pure = decide(&self.state, &commanded, self.now);
        assert_eq!(snapshot::hash(&self.state), before, "decide changed its input");
        let outcome = decide_mut(&mut self.state, &commanded, self.now);
        match &outcome {
            Err(rejection) => {
                assert_eq!(
                    snapshot::hash(&self.state),
                    before,
                    "a refused command changed the state"
                );
                assert_eq!(pure.as_ref(), Err(rejection));
                self.refusal = rejection.to_string();
            }
            Ok(steps) => {
                let decided: Vec<_> = steps.iter().map(|step| step.decided.clone()).collect();
                assert_eq!(pure, Ok(decided), "decide and decide_mut differ");
                self.commit(&commanded, steps);
                self.refusal.clear();
            }
        }
        self.last = outcome.map_err(|rejection| rejection.code);
        self.check();
    }

    fn commit(&mut self, commanded: &Commanded, steps: &[Step]) {
        let mut committed = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            self.position += 1;
            let position = Position(self.position);
            let decided = step.decided.clone();
            let event = decided.committed(commanded, index, self.now, position);
            if self.checked {
                evolve(&mut self.follower, &event);
                let effects = react(&self.follower, &event);
                assert_eq!(effects, step.effects, "effects differ on replay");
            }
            committed.push(event);
        }
        confirm(&mut self.state, &committed);
        self.log.extend(committed);
    }

    fn check(&self) {
        let broken = invariant::check(&self.state);
        assert!(broken.is_empty(), "{}", listed(&broken));
        assert_eq!(
            snapshot::encode(&self.state),
            snapshot::encode(&self.follower),
            "a follower has another state"
        );
        assert!(self.state == self.follower, "a follower has other indexes");
    }
}

fn listed(broken: &[invariant::Violation]) -> String {
    broken.iter().fold(String::new(), |mut text, it| {
        let _ = writeln!(text, "{it}");
        text
    })
}

/// Short name of an effect: the kind, and what tells it from others of its kind.
pub(crate) fn effect_name(effect: &Effect) -> String {
    match effect {
        Effect::AnswerCustomer { .. } => "answer".to_owned(),
        Effect::Play { media, looped: true, .. } => format!("loop {media}"),
        Effect::Play { media, .. } => format!("play {media}"),
        Effect::StopPlay { .. } => "stop".to_owned(),
        Effect::CollectInput { media, .. } => format!("collect {media}"),
        Effect::DialAgent { dn, .. } | Effect::DialSupervisor { dn, .. } => format!("dial {dn}"),
        Effect::Listen { mode, .. } => format!("listen {}", mode.name()),
        Effect::Bridge { .. } => "bridge".to_owned(),
        Effect::Unbridge { .. } => "unbridge".to_owned(),
        Effect::Release { side, reason, .. } => format!("release {} {reason:?}", side.name()),
        Effect::DeliverMessage { author, .. } => format!("deliver {}", author.name()),
        Effect::Push { name, .. } => format!("push {}", name.name()),
        Effect::ShowBroadcast { broadcast, .. } => format!("tell {}", broadcast.text),
    }
}
