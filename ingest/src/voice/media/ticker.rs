//! One clock of 20 ms for all legs of the process.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::FRAME_MS;
use super::session::Session;

/// Drives every open [`Session`]. A late step is made up for, so that prompts keep their length.
#[derive(Debug, Default)]
pub struct Ticker {
    sessions: Mutex<Vec<Weak<Session>>>,
}

impl Ticker {
    /// Starts the clock; it stops with `shutdown`.
    #[must_use]
    pub fn start(shutdown: CancellationToken) -> Arc<Self> {
        let ticker = Arc::new(Self::default());
        tokio::spawn(Arc::clone(&ticker).run(shutdown));
        ticker
    }

    /// Adds a session; it leaves by being dropped.
    pub fn add(&self, session: &Arc<Session>) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.push(Arc::downgrade(session));
    }

    async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let mut interval = tokio::time::interval(Duration::from_millis(FRAME_MS));
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = interval.tick() => self.step(),
            }
        }
    }

    fn step(&self) {
        let now = Instant::now();
        // The list is taken as it is: a session that joins meanwhile waits for the next step.
        let live: Vec<Arc<Session>> = {
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.retain(|session| session.strong_count() > 0);
            sessions.iter().filter_map(Weak::upgrade).collect()
        };
        for session in live {
            session.tick(now);
        }
    }
}
