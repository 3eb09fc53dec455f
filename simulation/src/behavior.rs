//! What simulated people do, drawn once per person.

use crate::random::Random;

/// What a caller does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerMind {
    /// Hangs up this long after the answer while the flow still talks.
    pub leave_in_ivr_ms: Option<u64>,
    /// Cancels this long after the INVITE if nobody has answered by then.
    pub cancel_after_ms: Option<u64>,
    /// Leaves when not connected to an agent this long after the answer.
    pub patience_ms: u64,
    /// Hangs up this long after an agent is heard; `None`: lets the agent end the call.
    pub talk_ms: Option<u64>,
}

impl CallerMind {
    /// Draws a caller.
    pub const fn draw(random: &mut Random) -> Self {
        let leave_in_ivr_ms = if random.chance(8) { Some(random.between(150, 600)) } else { None };
        let cancel_after_ms = if random.chance(2) { Some(0) } else { None };
        let patience_ms = if random.chance(15) {
            random.between(1_500, 4_000)
        } else {
            random.between(15_000, 40_000)
        };
        let talk_ms = if random.chance(50) { Some(random.between(2_500, 9_000)) } else { None };
        Self { leave_in_ivr_ms, cancel_after_ms, patience_ms, talk_ms }
    }
}

/// What an agent does with one offer or conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentMind {
    /// Percent of offers not answered (RONA).
    pub no_answer_percent: u64,
    /// Percent of calls the phone answers with 486.
    pub busy_percent: u64,
    /// Percent of conversations transferred to another queue.
    pub transfer_percent: u64,
    /// Time to answer, ms.
    pub answer_ms: (u64, u64),
    /// Length of a conversation that the agent ends, ms.
    pub talk_ms: (u64, u64),
    /// Length of wrap-up, ms.
    pub wrapup_ms: (u64, u64),
}

impl Default for AgentMind {
    fn default() -> Self {
        Self {
            no_answer_percent: 4,
            busy_percent: 1,
            transfer_percent: 8,
            answer_ms: (200, 1_500),
            talk_ms: (4_000, 11_000),
            wrapup_ms: (500, 2_500),
        }
    }
}
