//! What plays to a customer, and the input that is awaited meanwhile.

use std::sync::Arc;
use std::time::Duration;

use ledgerline_schemas::DurationMs;
use ledgerline_schemas::id::RunId;
use tokio::time::Instant;

use super::media::library::Prompt;
use super::media::session::Session;

/// What follows the end of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// Nothing.
    Nothing,
    /// The flow waits for it at this step.
    Prompt(RunId, u32),
    /// The time for input begins.
    Input,
}

#[derive(Debug)]
struct Input {
    run_id: RunId,
    seq: u32,
    timeout: Duration,
    deadline: Option<Instant>,
}

/// Plays into a session and keeps what it is for.
#[derive(Debug)]
pub(super) struct Player {
    session: Arc<Session>,
    number: u64,
    after: After,
    input: Option<Input>,
}

impl Player {
    pub(super) const fn new(session: Arc<Session>) -> Self {
        Self { session, number: 0, after: After::Nothing, input: None }
    }

    /// Plays in place of whatever played. Without a prompt its end is now; what follows is returned.
    pub(super) fn play(
        &mut self,
        prompt: Option<Arc<Prompt>>,
        looped: bool,
        after: After,
    ) -> After {
        self.input = None;
        self.start(prompt, looped, after)
    }

    /// Plays and waits for a key; a key may come at once, the time for it begins after the prompt.
    pub(super) fn collect(
        &mut self,
        prompt: Option<Arc<Prompt>>,
        run_id: RunId,
        seq: u32,
        timeout_ms: DurationMs,
    ) {
        let timeout = Duration::from_millis(timeout_ms);
        self.input = Some(Input { run_id, seq, timeout, deadline: None });
        if self.start(prompt, false, After::Input) == After::Input {
            self.begin_timeout();
        }
    }

    /// A prompt ended; what follows is returned.
    pub(super) fn ended(&mut self, number: u64) -> After {
        // The end of a prompt that was replaced meanwhile means nothing.
        if number != self.number {
            return After::Nothing;
        }
        let after = std::mem::replace(&mut self.after, After::Nothing);
        if after == After::Input {
            self.begin_timeout();
        }
        after
    }

    /// Input came, or its time is over: the step that waited for it.
    pub(super) fn take_input(&mut self) -> Option<(RunId, u32)> {
        let input = self.input.take()?;
        self.stop();
        Some((input.run_id, input.seq))
    }

    /// Stops what plays; nothing follows.
    pub(super) fn stop(&mut self) {
        self.session.stop();
        self.forget();
    }

    /// Something else took the line.
    pub(super) fn forget(&mut self) {
        self.number += 1;
        self.after = After::Nothing;
        self.input = None;
    }

    /// Resolves when the time for input is over; never while none is awaited.
    pub(super) async fn input_timeout(&self) {
        match self.input.as_ref().and_then(|input| input.deadline) {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    }

    fn start(&mut self, prompt: Option<Arc<Prompt>>, looped: bool, after: After) -> After {
        self.number += 1;
        match prompt {
            Some(prompt) => {
                self.session.play(prompt, looped, self.number);
                self.after = after;
                After::Nothing
            }
            None => {
                self.session.stop();
                self.after = After::Nothing;
                after
            }
        }
    }

    fn begin_timeout(&mut self) {
        if let Some(input) = &mut self.input {
            input.deadline = Some(Instant::now() + input.timeout);
        }
    }
}
