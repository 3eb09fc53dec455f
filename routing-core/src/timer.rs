//! When the core wants to be woken.

use ledgerline_schemas::Timestamp;

use crate::state::State;

/// The earliest instant at which `Command::Tick` has something to do; `None`: nothing is timed.
#[must_use]
pub fn next_timeout(state: &State) -> Option<Timestamp> {
    let timer = state.index.timers.first().map(|(at, _)| *at);
    let reroute = state.reroute.values().min().copied();
    timer.into_iter().chain(reroute).min()
}
