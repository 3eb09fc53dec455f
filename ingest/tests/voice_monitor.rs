//! Supervisors at real calls: three phones with a tone each, and who hears whom.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it is"
)]

mod support;

use ledgerline_ingest::voice::media::codec::Codec;
use ledgerline_schemas::command::Command;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::media::{MediaLegEnded, MediaSide, ReleaseSide};
use ledgerline_schemas::event::monitor::{MonitorEndReason, MonitorMode};
use ledgerline_schemas::id::{InteractionId, UserId};
use support::center::{Center, NUMBER, Plan, agent};
use support::ears::{EVENT, Ear, TONES};
use support::sipp::{Run, Sipp, free_port};

const CUSTOMER: u32 = TONES[0];
const AGENT: u32 = TONES[1];
const SUPERVISOR: u32 = TONES[2];

/// A customer who talks to an agent, and the supervisor's phone, which nobody calls yet.
struct Call {
    center: Center,
    interaction_id: InteractionId,
    customer: Ear,
    agent: Ear,
    supervisor: Ear,
    /// The customer's signalling and the phones'.
    phones: Vec<Sipp>,
    desk: u16,
}

impl Call {
    async fn start(supervisor_phone: &str) -> Self {
        let customer = Ear::start(CUSTOMER, Codec::Pcma).await;
        let agent_ear = Ear::start(AGENT, Codec::Pcmu).await;
        let supervisor = Ear::start(SUPERVISOR, Codec::Pcmu).await;
        let (phone, desk) = (free_port(), free_port());
        // The supervisor is a user like the agent, and not logged in.
        let mut plan = Plan::new([format!("sip:a@127.0.0.1:{phone}")]);
        plan.further_users = 1;
        let center = Center::start(plan).await;
        let phones = vec![
            Run::caller("caller_waits.xml", center.server.udp_addr, NUMBER)
                .key("tone_port", customer.port)
                .start(free_port()),
            Run::agent("agent.xml", 1).key("tone_port", agent_ear.port).start(phone),
            Run::agent(supervisor_phone, 1)
                .key("tone_port", supervisor.port)
                .key("talk_ms", 5_000)
                .start(desk),
        ];
        let bridged = |event: &Event| match event {
            Event::MediaLegBridged(it) => Some(it.interaction_id),
            _ => None,
        };
        center.until("bridged", |events| events.iter().any(|it| bridged(it).is_some())).await;
        let interaction_id = center.events().iter().find_map(bridged).unwrap();
        Self { center, interaction_id, customer, agent: agent_ear, supervisor, phones, desk }
    }

    fn listener() -> UserId {
        agent(1)
    }

    async fn listen(&self, mode: MonitorMode) {
        let command = Command::StartMonitor {
            interaction_id: self.interaction_id,
            leg_id: None,
            supervisor_id: Self::listener(),
            dn: Some(format!("sip:s@127.0.0.1:{}", self.desk)),
            mode,
            invisible: false,
        };
        self.center.command(command).await;
    }

    async fn turn(&self, mode: MonitorMode) {
        let (interaction_id, supervisor_id) = (self.interaction_id, Self::listener());
        self.center.command(Command::SetMonitorMode { interaction_id, supervisor_id, mode }).await;
    }

    async fn hear(&self, customer: &[u32], agent: &[u32], supervisor: &[u32]) {
        tokio::join!(
            self.customer.hears("the customer", customer),
            self.agent.hears("the agent", agent),
            self.supervisor.hears("the supervisor", supervisor),
        );
    }

    async fn end(&self) {
        let (interaction_id, agent_id) = (self.interaction_id, agent(0));
        self.center.command(Command::EndInteraction { agent_id, interaction_id }).await;
    }

    fn reason(&self) -> Option<MonitorEndReason> {
        self.center.events().iter().find_map(|event| match event {
            Event::MonitorEnded(it) => it.reason,
            Event::MonitorFailed(it) => Some(it.reason),
            _ => None,
        })
    }

    /// Every phone was treated as its scenario wants, BYE included, and every leg is off the wire.
    async fn stop(mut self, legs: usize) {
        for phone in std::mem::take(&mut self.phones) {
            phone.succeed().await;
        }
        self.center.until("all legs ended", |events| ended(events).count() == legs).await;
        self.center.stop().await;
    }
}

fn ended(events: &[Event]) -> impl Iterator<Item = &MediaLegEnded> {
    events.iter().filter_map(|event| match event {
        Event::MediaLegEnded(it) => Some(it),
        _ => None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn in_every_mode_the_right_ones_hear_and_the_end_of_the_call_is_the_supervisors_too() {
    let call = Call::start("agent.xml").await;
    tokio::join!(
        call.customer.hears("the customer", &[AGENT]),
        call.agent.hears("the agent", &[CUSTOMER]),
    );
    call.listen(MonitorMode::Silent).await;
    let both = [CUSTOMER, AGENT];
    call.hear(&[AGENT], &[CUSTOMER], &both).await;
    call.turn(MonitorMode::Whisper).await;
    call.hear(&[AGENT], &[CUSTOMER, SUPERVISOR], &both).await;
    call.turn(MonitorMode::Barge).await;
    call.hear(&[AGENT, SUPERVISOR], &[CUSTOMER, SUPERVISOR], &both).await;

    // A key in the middle of it: the agent gets it between packets of the mix, the supervisor does not.
    call.customer.press();
    let keys = |ear: &Ear| {
        ear.taken().headers.into_iter().filter(|it| it.payload_type == EVENT).collect::<Vec<_>>()
    };
    let is_key = |taken: &support::ears::Taken| {
        taken.headers.iter().filter(|it| it.payload_type == EVENT).count() == 5
    };
    call.agent.until("a key at the agent", is_key).await;
    assert!(keys(&call.agent).windows(2).all(|it| it[0].timestamp == it[1].timestamp));
    // Nor do keys of the supervisor's phone reach anybody.
    call.supervisor.press();
    call.turn(MonitorMode::Whisper).await;
    call.hear(&[AGENT], &[CUSTOMER, SUPERVISOR], &both).await;
    assert_eq!((keys(&call.supervisor).len(), keys(&call.customer).len()), (0, 0));
    assert_eq!(keys(&call.agent).len(), 5);

    // On hold the customer hears music, and the two others each other.
    let (interaction_id, agent_id) = (call.interaction_id, agent(0));
    call.turn(MonitorMode::Barge).await;
    call.center.command(Command::Hold { agent_id, interaction_id }).await;
    call.hear(&[], &[SUPERVISOR], &[AGENT]).await;
    call.center.command(Command::Unhold { agent_id, interaction_id }).await;
    call.hear(&[AGENT, SUPERVISOR], &[CUSTOMER, SUPERVISOR], &both).await;
    call.turn(MonitorMode::Silent).await;
    call.hear(&[AGENT], &[CUSTOMER], &both).await;
    for ear in [&call.customer, &call.agent, &call.supervisor] {
        ear.assert_one_stream();
    }

    call.end().await;
    call.center
        .until("the session ended", |events| {
            events.iter().any(|event| matches!(event, Event::MonitorEnded(_)))
        })
        .await;
    assert_eq!(call.reason(), Some(MonitorEndReason::ConversationEnded));
    call.center.until("all legs ended", |events| ended(events).count() == 3).await;
    let events = call.center.events();
    let phone = ended(&events).find(|it| it.side == MediaSide::Supervisor).unwrap();
    assert_eq!((phone.released_by, phone.sip_status), (ReleaseSide::Local, 200));
    call.stop(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_who_hangs_up_leaves_the_others_on_the_relay() {
    let mut call = Call::start("agent_hangs_up.xml").await;
    call.listen(MonitorMode::Barge).await;
    let all = (&[AGENT, SUPERVISOR], &[CUSTOMER, SUPERVISOR], &[CUSTOMER, AGENT]);
    call.hear(all.0, all.1, all.2).await;
    // The scenario hangs up by itself.
    call.phones.pop().unwrap().succeed().await;
    call.center
        .until("the session ended", |events| {
            events.iter().any(|event| matches!(event, Event::MonitorEnded(_)))
        })
        .await;
    assert_eq!(call.reason(), Some(MonitorEndReason::Supervisor));
    tokio::join!(
        call.customer.hears("the customer", &[AGENT]),
        call.agent.hears("the agent", &[CUSTOMER]),
    );
    call.customer.assert_one_stream();
    call.agent.assert_one_stream();
    call.end().await;
    call.stop(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_supervisor_disturbs_nobody() {
    let call = Call::start("agent_busy.xml").await;
    call.listen(MonitorMode::Whisper).await;
    call.center
        .until("the session failed", |events| {
            events.iter().any(|event| matches!(event, Event::MonitorFailed(_)))
        })
        .await;
    assert_eq!(call.reason(), Some(MonitorEndReason::DeviceFailed));
    tokio::join!(
        call.customer.hears("the customer", &[AGENT]),
        call.agent.hears("the agent", &[CUSTOMER]),
    );
    call.end().await;
    call.stop(2).await;
}
