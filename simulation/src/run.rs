//! A whole run: everybody logs in, customers arrive, everybody goes home.

use std::net::SocketAddr;
use std::time::Duration;

use ledgerline_schemas::id::UserId;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::agent::{self, AgentError};
use crate::behavior::{AgentMind, CallerMind};
use crate::caller;
use crate::chat;
use crate::phone;
use crate::random::Random;
use crate::tally::Tally;
use crate::user_agent::{SipError, UserAgent};

/// Longest time customers may take to finish after the last arrival.
const DRAIN: Duration = Duration::from_secs(25);

/// One agent of the simulation.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Name of the user; also of the phone.
    pub name: String,
    /// The user.
    pub user_id: UserId,
    /// Team to log in to, by name.
    pub team: String,
    /// Bearer token with the role agent.
    pub token: String,
}

/// What to simulate against which server.
#[derive(Clone, Debug)]
pub struct Plan {
    /// `http://host:port` of the server.
    pub http: String,
    /// SIP address of the server.
    pub sip: SocketAddr,
    /// Agents.
    pub seats: Vec<Seat>,
    /// Numbers to call and how often each among the calls, as weights.
    pub numbers: Vec<(String, u32)>,
    /// Entry points for chats, by name or number.
    pub chat_entry_points: Vec<String>,
    /// Bearer token with the role integrator, for beginning chats.
    pub chat_token: String,
    /// Queues that calls may be transferred to, by name.
    pub voice_transfer_queues: Vec<String>,
    /// Queues that chats may be transferred to, by name.
    pub chat_transfer_queues: Vec<String>,
    /// Calls a minute.
    pub calls_per_minute: u32,
    /// Chats a minute.
    pub chats_per_minute: u32,
    /// Seed of everybody's behaviour.
    pub seed: u64,
}

/// A run failed to begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// No SIP.
    #[error(transparent)]
    Sip(#[from] SipError),
    /// An agent could not log in.
    #[error("agent {name}: {source}")]
    Agent {
        /// Name of the user.
        name: String,
        /// Why.
        source: AgentError,
    },
}

/// A simulation whose agents are logged in.
pub struct Simulation {
    plan: Plan,
    random: Random,
    tally: Tally,
    user_agent: UserAgent,
    agents: JoinSet<()>,
    close: CancellationToken,
    sip_stop: CancellationToken,
}

impl Simulation {
    /// Logs every agent in. Agents are available when this returns.
    ///
    /// # Errors
    /// [`RunError`] if SIP cannot start or an agent cannot log in.
    pub async fn open(plan: Plan, tally: Tally) -> Result<Self, RunError> {
        let sip_stop = CancellationToken::new();
        let close = CancellationToken::new();
        let user_agent = UserAgent::open(sip_stop.clone(), tally.clone()).await?;
        let mut random = Random::new(plan.seed);
        let mut agents = JoinSet::new();
        for seat in &plan.seats {
            let mind = AgentMind::default();
            let calls = user_agent.phone(&seat.name);
            tokio::spawn(phone::serve(
                user_agent.clone(),
                calls,
                mind,
                random.fork(),
                tally.clone(),
            ));
            let desk = agent::Desk::open(
                &plan,
                seat.clone(),
                user_agent.address_of(&seat.name),
                mind,
                random.fork(),
                tally.clone(),
            )
            .await
            .map_err(|source| RunError::Agent { name: seat.name.clone(), source })?;
            agents.spawn(desk.work(close.clone()));
        }
        Ok(Self { plan, random, tally, user_agent, agents, close, sip_stop })
    }

    /// Lets customers arrive until `stop`, waits for those inside to finish, logs agents out.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut customers = JoinSet::new();
        let mut voice = self.random.fork();
        let mut chats = self.random.fork();
        let mut next_call = Box::pin(sleep(Duration::from_millis(
            voice.next_arrival_ms(self.plan.calls_per_minute),
        )));
        let mut next_chat = Box::pin(sleep(Duration::from_millis(
            chats.next_arrival_ms(self.plan.chats_per_minute),
        )));
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = &mut next_call, if self.plan.calls_per_minute > 0 => {
                    self.place_call(&mut customers, &mut voice);
                    let after = voice.next_arrival_ms(self.plan.calls_per_minute);
                    next_call.set(sleep(Duration::from_millis(after)));
                }
                () = &mut next_chat, if self.plan.chats_per_minute > 0 => {
                    self.begin_chat(&mut customers, &mut chats);
                    let after = chats.next_arrival_ms(self.plan.chats_per_minute);
                    next_chat.set(sleep(Duration::from_millis(after)));
                }
                Some(_) = customers.join_next(), if !customers.is_empty() => {}
            }
        }
        let drained =
            timeout(DRAIN, async { while customers.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::info!(left = customers.len(), "customers still inside at the end");
        }
        self.close.cancel();
        let _ = timeout(DRAIN, async { while self.agents.join_next().await.is_some() {} }).await;
        self.sip_stop.cancel();
    }

    fn place_call(&self, customers: &mut JoinSet<()>, random: &mut Random) {
        let total: u32 = self.plan.numbers.iter().map(|(_, weight)| *weight).sum();
        let mut draw = random.between(1, u64::from(total.max(1)));
        let Some((number, _)) = self.plan.numbers.iter().find(|(_, weight)| {
            let weight = u64::from(*weight);
            let hit = draw <= weight;
            draw = draw.saturating_sub(weight);
            hit
        }) else {
            return;
        };
        let callee = format!("sip:{number}@{}", self.plan.sip);
        let mind = CallerMind::draw(random);
        customers.spawn(caller::call(self.user_agent.clone(), callee, mind, self.tally.clone()));
    }

    fn begin_chat(&self, customers: &mut JoinSet<()>, random: &mut Random) {
        let Some(entry_point) = random.pick(&self.plan.chat_entry_points).cloned() else { return };
        customers.spawn(chat::chat(
            self.plan.http.clone(),
            self.plan.chat_token.clone(),
            entry_point,
            random.fork(),
            self.tally.clone(),
        ));
    }
}

/// Opens and runs a simulation.
///
/// # Errors
/// [`RunError`] if it cannot begin.
pub async fn run(plan: Plan, tally: Tally, stop: CancellationToken) -> Result<(), RunError> {
    Simulation::open(plan, tally).await?.run(stop).await;
    Ok(())
}
