//! What supervisors who listen hear, and who hears them: sums of samples, one frame every 20 ms.
//!
//! A leg whose sound is that of the far end alone stays on the relay, without a mix: only the supervisor always gets
//! one, the agent when whispered to, the customer when the supervisor barged in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ledgerline_schemas::event::monitor::MonitorMode;

use super::FRAME_SAMPLES;
use super::jitter::Jitter;
use super::rtp::Header;
use super::session::Session;

/// A frame of samples.
pub type Frame = [i16; FRAME_SAMPLES];

/// Who has a part in a mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// The customer.
    Customer,
    /// The agent.
    Agent,
    /// The supervisor who listens.
    Supervisor,
}

impl Party {
    /// All of them, in the order in which frames are kept.
    pub const ALL: [Self; 3] = [Self::Customer, Self::Agent, Self::Supervisor];
}

/// The gain matrix: whether a listener hears a source. `bridged`: customer and agent hear each other, nobody is on hold.
#[must_use]
pub const fn hears(mode: MonitorMode, bridged: bool, listener: Party, source: Party) -> bool {
    match (listener, source) {
        (Party::Customer, Party::Agent) | (Party::Agent | Party::Supervisor, Party::Customer) => {
            bridged
        }
        (Party::Supervisor, Party::Agent) => true,
        (Party::Agent, Party::Supervisor) => !matches!(mode, MonitorMode::Silent),
        (Party::Customer, Party::Supervisor) => bridged && matches!(mode, MonitorMode::Barge),
        (Party::Customer, Party::Customer)
        | (Party::Agent, Party::Agent)
        | (Party::Supervisor, Party::Supervisor) => false,
    }
}

/// What a listener hears of the frames of all, in the order of [`Party::ALL`]. Too loud is as loud as can be.
#[must_use]
pub fn sum(mode: MonitorMode, bridged: bool, listener: Party, frames: &[Frame; 3]) -> Frame {
    let mut sums = [0_i32; FRAME_SAMPLES];
    for (source, frame) in Party::ALL.into_iter().zip(frames) {
        if hears(mode, bridged, listener, source) {
            for (sum, sample) in sums.iter_mut().zip(frame) {
                *sum += i32::from(*sample);
            }
        }
    }
    sums.map(|sum| sum.clamp(i16::MIN.into(), i16::MAX.into()) as i16)
}

/// One supervisor at one conversation. Driven by the clock of the supervisor's leg.
#[derive(Debug)]
pub struct Mix {
    customer: Weak<Session>,
    agent: Weak<Session>,
    supervisor: Weak<Session>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    mode: MonitorMode,
    inputs: [Jitter; 3],
}

impl Mix {
    /// Lets a supervisor hear customer and agent and be heard as the mode says, or changes the mode.
    pub fn set(
        supervisor: &Arc<Session>,
        customer: &Arc<Session>,
        agent: &Arc<Session>,
        mode: MonitorMode,
    ) {
        if let Some(mix) = supervisor.mix() {
            mix.state().mode = mode;
            return;
        }
        let mix = Arc::new(Self {
            customer: Arc::downgrade(customer),
            agent: Arc::downgrade(agent),
            supervisor: Arc::downgrade(supervisor),
            state: Mutex::new(State { mode, inputs: Default::default() }),
        });
        for (session, party) in [customer, agent, supervisor].into_iter().zip(Party::ALL) {
            session.join(&mix, party);
        }
    }

    /// Puts customer and agent back on the relay.
    pub(super) fn end(&self) {
        for session in [&self.customer, &self.agent].into_iter().filter_map(|it| it.upgrade()) {
            session.leave(self);
        }
    }

    /// Whether this party hears the mix, and not the relay.
    pub(super) fn makes_for(&self, party: Party) -> bool {
        match party {
            Party::Supervisor => true,
            Party::Agent => self.state().mode != MonitorMode::Silent,
            Party::Customer => self.state().mode == MonitorMode::Barge,
        }
    }

    /// Takes samples of a party in.
    pub(super) fn take(&self, party: Party, header: &Header, samples: &[i16]) {
        let mut state = self.state();
        let mut inputs = Party::ALL.into_iter().zip(&mut state.inputs);
        if let Some((_, input)) = inputs.find(|(of, _)| *of == party) {
            input.put(header, samples);
        }
    }

    /// One step of 20 ms. Sessions are asked one after the other, and never while the mix is locked: they lock it.
    pub(super) fn tick(&self) {
        let (mode, frames) = {
            let mut state = self.state();
            (state.mode, state.inputs.each_mut().map(Jitter::pull))
        };
        let sessions = [&self.customer, &self.agent, &self.supervisor].map(Weak::upgrade);
        let bridged = match &sessions {
            [Some(customer), Some(agent), _] => agent.is_with(customer),
            _ => false,
        };
        for (session, party) in sessions.iter().zip(Party::ALL) {
            let Some(session) = session.as_ref().filter(|_| self.makes_for(party)) else {
                continue;
            };
            // A customer on hold hears nobody.
            let heard = party != Party::Customer || bridged;
            let frame = heard.then(|| sum(mode, bridged, party, &frames));
            session.say(frame.as_ref().map(|frame| &frame[..]));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use MonitorMode::{Barge, Silent, Whisper};
    use Party::{Agent, Customer, Supervisor};

    use super::*;

    /// Frames whose sums tell who is in them.
    const FRAMES: [Frame; 3] = [[1; FRAME_SAMPLES], [10; FRAME_SAMPLES], [100; FRAME_SAMPLES]];

    #[test]
    fn each_mode_lets_the_right_ones_hear() {
        for (mode, bridged, customer, agent, supervisor) in [
            (Silent, true, 10, 1, 11),
            (Whisper, true, 10, 101, 11),
            (Barge, true, 110, 101, 11),
            // On hold: the agent alone is there.
            (Silent, false, 0, 0, 10),
            (Whisper, false, 0, 100, 10),
            (Barge, false, 0, 100, 10),
        ] {
            let heard = [(Customer, customer), (Agent, agent), (Supervisor, supervisor)];
            for (listener, expected) in heard {
                let sum = sum(mode, bridged, listener, &FRAMES);
                assert_eq!(sum, [expected; FRAME_SAMPLES], "{mode:?} {bridged} {listener:?}");
            }
        }
    }

    #[test]
    fn too_loud_is_as_loud_as_can_be() {
        for (sample, expected) in [(30_000, i16::MAX), (-30_000, i16::MIN)] {
            let loud = [[sample; FRAME_SAMPLES]; 3];
            assert_eq!(sum(Barge, true, Supervisor, &loud), [expected; FRAME_SAMPLES]);
        }
    }
}
