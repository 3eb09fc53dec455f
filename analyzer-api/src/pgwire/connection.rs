//! One connection: who it is and which of its queries runs.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ledgerline_access::Principal;
use pgwire::api::PgWireServerHandlers;
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use tokio_util::sync::CancellationToken;

use super::cancel::Cancels;
use super::extended::Extended;
use super::login::Login;
use crate::analyzer::{AnalyzerState, Bounds, Door, Question};

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) state: AnalyzerState,
    pub(super) pid: i32,
    pub(super) secret: i32,
    pub(super) principal: OnceLock<Principal>,
    pub(super) login: tokio::sync::Mutex<Login>,
    cancels: Arc<Cancels>,
    running: Mutex<CancellationToken>,
}

impl Connection {
    pub(super) fn new(state: AnalyzerState, cancels: Arc<Cancels>) -> Self {
        let mut bytes = [0_u8; 8];
        // Without randomness the secret is 0, and cancel requests are only less private.
        let _ = getrandom::fill(&mut bytes);
        let [a, b, c, d, e, f, g, h] = bytes;
        Self {
            state,
            pid: i32::from_be_bytes([a & 0x7f, b, c, d]),
            secret: i32::from_be_bytes([e, f, g, h]),
            principal: OnceLock::new(),
            login: tokio::sync::Mutex::new(Login::default()),
            cancels,
            running: Mutex::new(CancellationToken::new()),
        }
    }

    /// Who it is. Nothing is answered before log-in, whatever state the protocol is in.
    pub(super) fn principal(&self) -> PgWireResult<&Principal> {
        self.principal.get().ok_or_else(|| fatal("28000", "log in first"))
    }

    /// A question of this connection that can be cancelled from now on.
    pub(super) fn question(&self, sql: String) -> PgWireResult<Question> {
        let cancel = CancellationToken::new();
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = cancel.clone();
        self.cancels.set(self.pid, self.secret, cancel.clone());
        Ok(Question {
            principal: self.principal()?.clone(),
            door: Door::Pgwire,
            sql,
            parameters: None,
            as_of: None,
            bounds: Bounds::default(),
            cancel,
            backend_pid: self.pid,
        })
    }

    /// Cancels what runs.
    pub(super) fn cancel(&self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).cancel();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.cancel();
        self.cancels.forget(self.pid);
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
        Arc::clone(&self.connection.cancels)
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
