//! What the simulation saw from outside: counts, and a ledger of what the server acknowledged.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledgerline_schemas::id::InteractionId;

/// Shared by everybody in the simulation.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    totals: Arc<Mutex<Totals>>,
    ledger: Option<Arc<Mutex<File>>>,
}

/// The counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Calls placed.
    pub calls: u64,
    /// Calls answered by the server.
    pub calls_answered: u64,
    /// Calls that reached an agent (the agent's tone was heard).
    pub calls_talked: u64,
    /// Calls the customer cancelled before the answer.
    pub calls_cancelled: u64,
    /// Calls the customer left in the flow.
    pub calls_left_in_ivr: u64,
    /// Calls the customer left after losing patience.
    pub calls_abandoned: u64,
    /// Chats begun.
    pub chats: u64,
    /// Chats that reached an agent.
    pub chats_talked: u64,
    /// Chats the customer left while waiting.
    pub chats_abandoned: u64,
    /// Phone calls offered to simulated phones.
    pub phone_offers: u64,
    /// Offers deliberately not answered.
    pub phone_ignored: u64,
    /// Offers deliberately answered with 486.
    pub phone_busy: u64,
    /// Transfers asked for.
    pub transfers: u64,
    /// RTP packets sent.
    pub rtp_sent: u64,
    /// RTP packets received.
    pub rtp_received: u64,
    /// SIP transactions that ran into a timeout.
    pub sip_timeouts: u64,
    /// Final SIP answers by status.
    pub sip_answers: BTreeMap<u16, u64>,
    /// Answers and errors outside the scenario, with a sample each.
    pub surprises: BTreeMap<String, u64>,
    /// REST commands the server acknowledged.
    pub commands_acknowledged: u64,
}

impl Tally {
    /// A tally that also writes down, line by line and at once, whatever the server acknowledges: what a
    /// crash of the server must not lose.
    ///
    /// # Errors
    /// If the file cannot be opened for appending.
    pub fn with_ledger(path: &Path) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Self { totals: Arc::default(), ledger: Some(Arc::new(Mutex::new(file))) })
    }

    fn lock(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_down(&self, line: &str) {
        let Some(ledger) = &self.ledger else { return };
        let mut file = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = writeln!(file, "{line}") {
            tracing::error!(%error, "the ledger cannot be written");
        }
    }

    /// The server said that this interaction exists.
    pub fn acknowledged(&self, interaction: InteractionId) {
        self.write_down(&format!("interaction {interaction}"));
    }

    /// The server answered the call with this Call-ID.
    pub fn acknowledged_call(&self, call_id: &str) {
        self.write_down(&format!("call {call_id}"));
    }

    /// The server took this message.
    pub fn acknowledged_message(&self, message_id: &str) {
        self.write_down(&format!("message {message_id}"));
    }

    /// Changes the counts.
    pub fn note(&self, change: impl FnOnce(&mut Totals)) {
        change(&mut self.lock());
    }

    /// Counts something that should not have happened.
    pub fn surprise(&self, what: impl Into<String>) {
        *self.lock().surprises.entry(what.into()).or_default() += 1;
    }

    /// The counts so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.lock().clone()
    }
}
