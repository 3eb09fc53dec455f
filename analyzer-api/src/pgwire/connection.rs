//! One connection: who it is, which of its queries runs, what it has set, its cursors.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ledgerline_access::Principal;
use pgwire::api::PgWireServerHandlers;
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use tokio_util::sync::CancellationToken;

use super::cancel::Cancels;
use super::cursor::Cursors;
use super::extended::Extended;
use super::login::Login;
use crate::analyzer::{AnalyzerState, Bounds, Door, Question};
use crate::functions::session::milliseconds;

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) state: AnalyzerState,
    pub(super) pid: i32,
    pub(super) secret: i32,
    pub(super) principal: OnceLock<Principal>,
    pub(super) login: tokio::sync::Mutex<Login>,
    pub(super) cursors: Cursors,
    end: CancellationToken,
}

impl Connection {
    pub(super) fn new(state: AnalyzerState) -> Self {
        let mut bytes = [0_u8; 8];
        // Without randomness the secret is 0, and cancel requests are only less private.
        let _ = getrandom::fill(&mut bytes);
        let [a, b, c, d, e, f, g, h] = bytes;
        let pid = i32::from_be_bytes([a & 0x7f, b, c, d]);
        let secret = i32::from_be_bytes([e, f, g, h]);
        let end = CancellationToken::new();
        state.engine.backends().enter(pid, secret, end.clone());
        Self {
            state,
            pid,
            secret,
            principal: OnceLock::new(),
            login: tokio::sync::Mutex::new(Login::default()),
            cursors: Cursors::default(),
            end,
        }
    }

    /// Who it is. Nothing is answered before log-in, whatever state the protocol is in.
    pub(super) fn principal(&self) -> PgWireResult<&Principal> {
        self.principal.get().ok_or_else(|| fatal("28000", "log in first"))
    }

    /// A question of this connection that can be cancelled from now on.
    pub(super) fn question(&self, sql: String) -> PgWireResult<Question> {
        let principal = self.principal()?.clone();
        let cancel = CancellationToken::new();
        self.state.engine.backends().runs(self.pid, cancel.clone());
        Ok(Question {
            principal,
            door: Door::Pgwire,
            sql,
            parameters: None,
            as_of: None,
            bounds: Bounds { deadline: self.statement_timeout(), ..Bounds::default() },
            cancel,
            backend_pid: self.pid,
        })
    }

    /// The client's own deadline, if it has set one below the engine's.
    fn statement_timeout(&self) -> Option<Duration> {
        let settings = self.state.engine.backends().settings(self.pid);
        let set = settings.get("statement_timeout").and_then(|text| milliseconds(text))?;
        let set = Duration::from_millis(set);
        (!set.is_zero()).then(|| set.min(self.state.engine.limits().deadline))
    }

    /// How long a question of this connection may take.
    pub(super) fn deadline(&self, question: &Question) -> Duration {
        question.bounds.deadline.unwrap_or(self.state.engine.limits().deadline)
    }

    /// Resolves when the connection is told to end.
    pub(super) async fn ended(&self) {
        self.end.cancelled().await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.state.engine.backends().leave(self.pid);
    }
}

/// The handlers that the protocol library asks for.
pub(super) struct Handlers {
    connection: Arc<Connection>,
    extended: Arc<Extended>,
}

impl Handlers {
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        Self { extended: Arc::new(Extended(Arc::clone(&connection))), connection }
    }
}

impl PgWireServerHandlers for Handlers {
    fn simple_query_handler(&self) -> Arc<impl pgwire::api::query::SimpleQueryHandler> {
        Arc::clone(&self.connection)
    }

    fn extended_query_handler(&self) -> Arc<impl pgwire::api::query::ExtendedQueryHandler> {
        Arc::clone(&self.extended)
    }

    fn startup_handler(&self) -> Arc<impl pgwire::api::auth::StartupHandler> {
        Arc::clone(&self.connection)
    }

    fn cancel_handler(&self) -> Arc<impl pgwire::api::cancel::CancelHandler> {
        Arc::new(Cancels(Arc::clone(self.connection.state.engine.backends())))
    }
}

/// An error after which the connection ends.
pub(super) fn fatal(sqlstate: &str, message: &str) -> PgWireError {
    user_error("FATAL", sqlstate, message)
}

/// An error of one statement.
pub(super) fn error(sqlstate: &str, message: &str) -> PgWireError {
    user_error("ERROR", sqlstate, message)
}

fn user_error(severity: &str, sqlstate: &str, message: &str) -> PgWireError {
    PgWireError::UserError(Box::new(ErrorInfo::new(
        severity.to_owned(),
        sqlstate.to_owned(),
        message.to_owned(),
    )))
}
