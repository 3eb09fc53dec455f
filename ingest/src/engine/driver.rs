//! The driver thread: decides, evolves and submits, one command after the other.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use ledgerline_event_store::{Append, EventWriter, Submitted};
use ledgerline_routing_core::{
    Committed, Effect, EffectId, State, Step, confirm, decide_mut, next_timeout, snapshot,
};
use ledgerline_schemas::command::{Command, Commanded};
use ledgerline_schemas::event::checkpoint::EngineStarted;
use ledgerline_schemas::id::{CommandId, CorrelationId, EventId, OrgId};
use ledgerline_schemas::{Actor, ActorType, Event, NewEvent, Position, StreamId, Timestamp};
use tokio::sync::watch;
use uuid::Uuid;

use super::completion::{Completion, Pending};
use super::effects::{EffectSinks, Routed, route};
use super::handle::{Accepted, EngineError, EngineHandle, Input, Reply};
use super::recent::Recent;
use super::recorded;
use super::recovery::Recovered;
use super::{Engine, Options, StartError};

/// Decisions that may be under way to the disk at once.
const IN_FLIGHT: usize = 4_096;
/// Longest wait for input when nothing is timed.
const IDLE: Duration = Duration::from_secs(3_600);

struct Driver {
    org_id: OrgId,
    log: Arc<dyn EventWriter>,
    state: State,
    recent: Recent,
    options: Options,
    line: SyncSender<Pending>,
    healthy: watch::Receiver<Result<(), String>>,
    failed: watch::Sender<Result<(), String>>,
    now: Timestamp,
    position: Position,
    since_snapshot: u64,
}

pub(super) fn spawn(
    org_id: OrgId,
    log: Arc<dyn EventWriter>,
    sinks: EffectSinks,
    options: Options,
    recovered: Recovered,
) -> Result<Engine, StartError> {
    let now = (options.clock)();
    let announced = announce(log.as_ref(), &recovered, now)?;
    let started = announced.appended.last;
    let (inputs, input) = sync_channel(options.queue_max);
    let (line, completed) = sync_channel(IN_FLIGHT);
    let durable = watch::Sender::new(recovered.position);
    let healthy = watch::Sender::new(Ok(()));
    let handle =
        EngineHandle { org_id, inputs, durable: durable.subscribe(), healthy: healthy.subscribe() };
    for (edge, id, effect) in recovered.effects {
        sinks.deliver(edge, (id, effect));
    }
    let completion = Completion {
        log: Arc::clone(&log),
        sinks,
        durable,
        healthy: healthy.clone(),
        snapshot_dir: options.snapshot_dir.clone(),
        cipher: Arc::clone(&options.cipher),
    };
    let driver = Driver {
        org_id,
        log,
        state: recovered.state,
        recent: recovered.recent,
        options,
        line,
        healthy: healthy.subscribe(),
        failed: healthy,
        now,
        position: started,
        // Who is killed again and again before the next snapshot would replay more and more.
        since_snapshot: recovered.replayed,
    };
    driver.queue(Pending::Decision {
        submitted: announced,
        accepted: Accepted { position: started, events: Vec::new().into() },
        effects: Vec::new(),
        reply: None,
    });
    let completion = std::thread::Builder::new()
        .name("engine-completion".to_owned())
        .spawn(move || completion.run(completed))?;
    let driver =
        std::thread::Builder::new().name("engine".to_owned()).spawn(move || driver.run(&input))?;
    Ok(Engine { handle, driver: Some(driver), completion: Some(completion) })
}

/// Records the term of this writer and the state it begins with.
fn announce(
    log: &dyn EventWriter,
    recovered: &Recovered,
    now: Timestamp,
) -> Result<Submitted, StartError> {
    let stream = StreamId::new("engine");
    let epoch = log.stream_head(&stream)?.map_or(1, |version| version.0 + 2);
    let hash = snapshot::hash(&recovered.state);
    let event = Event::from(EngineStarted {
        epoch,
        state_hash: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        state_position: recovered.position,
    });
    let command = Uuid::now_v7();
    let append = Append {
        events: vec![NewEvent {
            id: EventId::new(Uuid::now_v7()),
            stream,
            event_type: event.event_type().into(),
            time: now,
            command_id: CommandId::new(command),
            correlation_id: CorrelationId::new(command),
            causation_id: None,
            actor: Actor::system("engine"),
            config_position: recovered.state.config_position(),
            traceparent: None,
            data_subject_id: None,
            payload: event.encode(),
        }],
        expected: Vec::new(),
    };
    Ok(log.submit(append)?)
}

impl Driver {
    fn run(mut self, input: &Receiver<Input>) {
        loop {
            self.advance_clock();
            if self.timers_due() {
                self.tick();
                continue;
            }
            match input.recv_timeout(self.until_timer()) {
                Ok(Input::Command(commanded, reply)) => self.command(&commanded, reply),
                Ok(Input::Read(read)) => self.queue(Pending::Read(read(&self.state))),
                Ok(Input::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.snapshot_if_due();
        }
        self.snapshot();
    }

    fn advance_clock(&mut self) {
        self.now = self.now.max((self.options.clock)());
    }

    fn timers_due(&self) -> bool {
        self.healthy.borrow().is_ok()
            && next_timeout(&self.state).is_some_and(|due| due <= self.now)
    }

    fn until_timer(&self) -> Duration {
        if self.healthy.borrow().is_err() {
            return IDLE;
        }
        next_timeout(&self.state).map_or(IDLE, |due| {
            let micros = due.micros().saturating_sub(self.now.micros());
            Duration::from_micros(micros.max(0).unsigned_abs()).min(IDLE)
        })
    }

    fn queue(&self, pending: Pending) {
        // The completion thread outlives the driver: it ends when this end of the line is gone.
        let _ = self.line.send(pending);
    }

    fn tick(&mut self) {
        let command = Uuid::now_v7();
        let commanded = Commanded {
            org_id: self.org_id,
            command_id: CommandId::new(command),
            correlation_id: CorrelationId::new(command),
            actor: Actor::new(ActorType::Timer, ""),
            traceparent: None,
            data_subject_id: None,
            command: Command::Tick,
        };
        self.decide(&commanded, None);
    }

    fn command(&mut self, commanded: &Commanded, reply: Reply) {
        self.advance_clock();
        let unhealthy = self.healthy.borrow().clone().err();
        if let Some(reason) = unhealthy {
            let result = Err(EngineError::Unavailable(reason));
            return self.queue(Pending::Answer { result, reply });
        }
        match self.answered(commanded.command_id) {
            Ok(None) => self.decide(commanded, Some(reply)),
            Ok(Some(known)) => self.queue(Pending::Answer { result: Ok(known), reply }),
            Err(error) => self.queue(Pending::Answer { result: Err(error), reply }),
        }
    }

    /// The first answer to a command that was decided before, however long ago. What was not remembered is
    /// looked up in the log: to decide it anew would make its events a second time.
    fn answered(&self, command_id: CommandId) -> Result<Option<Accepted>, EngineError> {
        match self.recent.find(command_id) {
            Some(known) => Ok(Some(known.clone())),
            None => recorded::answer(self.log.as_ref(), command_id),
        }
    }

    fn decide(&mut self, commanded: &Commanded, reply: Option<Reply>) {
        let config_position = self.state.config_position();
        match decide_mut(&mut self.state, commanded, self.now) {
            Err(rejection) => {
                metrics::counter!("ledgerline_engine_rejections_total", "code" => rejection.code.name())
                    .increment(1);
                if let Some(reply) = reply {
                    self.queue(Pending::Answer { result: Err(rejection.into()), reply });
                }
            }
            Ok(steps) if steps.is_empty() => {
                if let Some(reply) = reply {
                    let accepted = Accepted { position: self.position, events: Vec::new().into() };
                    self.queue(Pending::Answer { result: Ok(accepted), reply });
                }
            }
            Ok(steps) => self.submit(commanded, steps, config_position, reply),
        }
    }

    fn submit(
        &mut self,
        commanded: &Commanded,
        steps: Vec<Step>,
        config_position: Position,
        reply: Option<Reply>,
    ) {
        let events = steps
            .iter()
            .enumerate()
            .map(|(index, step)| {
                step.decided.new_event(commanded, index, self.now, config_position)
            })
            .collect();
        let submitted = match self.log.submit(Append { events, expected: Vec::new() }) {
            Ok(submitted) if !submitted.appended.duplicate => submitted,
            // The state has the decision, the log has not: nothing may follow from it. Starting again
            // from the log is the only way back to a state that is true.
            Ok(_) => return self.poison("the log knows the decision of a new command", reply),
            Err(error) => return self.poison(&error.to_string(), reply),
        };
        let first = submitted.appended.first;
        let mut committed = Vec::with_capacity(steps.len());
        let mut effects: Vec<(Routed, EffectId, Effect)> = Vec::new();
        for (index, step) in steps.into_iter().enumerate() {
            let position = Position(first.0 + index as u64);
            for (number, effect) in (0..).zip(step.effects) {
                let edge = route(&self.state, &effect);
                effects.push((edge, EffectId { position, index: number }, effect));
            }
            committed.push(step.decided.committed(commanded, index, self.now, position));
        }
        confirm(&mut self.state, &committed);
        self.position = submitted.appended.last;
        self.since_snapshot += committed.len() as u64;
        metrics::counter!("ledgerline_engine_events_total").increment(committed.len() as u64);
        let events: Arc<[Committed]> = committed.into();
        let accepted = Accepted { position: self.position, events };
        self.recent.remember(commanded.command_id, accepted.clone());
        self.queue(Pending::Decision { submitted, accepted, effects, reply });
    }

    fn poison(&self, reason: &str, reply: Option<Reply>) {
        tracing::error!(reason, "the engine stops: its state is ahead of the log");
        let _ = self.failed.send_replace(Err(reason.to_owned()));
        if let Some(reply) = reply {
            let result = Err(EngineError::Unavailable(reason.to_owned()));
            self.queue(Pending::Answer { result, reply });
        }
    }

    fn snapshot_if_due(&mut self) {
        if self.since_snapshot >= self.options.snapshot_every {
            self.snapshot();
        }
    }

    fn snapshot(&mut self) {
        if self.since_snapshot == 0 || self.healthy.borrow().is_err() {
            return;
        }
        self.since_snapshot = 0;
        let state = snapshot::encode(&self.state);
        let hash = snapshot::hash(&self.state);
        self.queue(Pending::Snapshot { position: self.position, state, hash });
    }
}
