//! Log-in: TLS first, then SCRAM-SHA-256.

use std::fmt::Debug;

use async_trait::async_trait;
use futures::{Sink, SinkExt};
use ledgerline_access::Principal;
use pgwire::api::auth::sasl::scram::{ScramServerAuth, ScramServerAuthWaitingForClientFinal};
use pgwire::api::auth::{
    Password, ServerParameterProvider, StartupHandler, finish_authentication, protocol_negotiation,
    save_startup_parameters_to_metadata,
};
use pgwire::api::{ClientInfo, METADATA_DATABASE, METADATA_USER, PgWireConnectionState};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::startup::{Authentication, PasswordMessageFamily, SecretKey};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};

use super::connection::{Connection, fatal};
use crate::functions::session::setting;
use crate::ports::may_query;
use crate::session::DATABASE;

const SCRAM_SHA_256: &str = "SCRAM-SHA-256";

/// How far the log-in is.
#[derive(Debug, Default)]
pub(super) enum Login {
    /// Nothing was received.
    #[default]
    Begun,
    /// Salt and nonce are sent; the proof is awaited.
    Challenged(Box<ScramServerAuthWaitingForClientFinal>, Option<Principal>),
    /// It is over, well or badly.
    Over,
}

#[async_trait]
impl StartupHandler for Connection {
    async fn on_startup<C>(
        &self,
        client: &mut C,
        message: PgWireFrontendMessage,
    ) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        match message {
            PgWireFrontendMessage::Startup(startup) => {
                if !client.is_secure() {
                    return Err(fatal(
                        "28000",
                        "this server speaks TLS only: connect with sslmode=require",
                    ));
                }
                protocol_negotiation(client, &startup).await?;
                save_startup_parameters_to_metadata(client, &startup);
                client.set_state(PgWireConnectionState::AuthenticationInProgress);
                let methods = Authentication::SASL(vec![SCRAM_SHA_256.to_owned()]);
                client.send(PgWireBackendMessage::Authentication(methods)).await?;
                Ok(())
            }
            PgWireFrontendMessage::PasswordMessageFamily(message) => {
                let user = client.metadata().get(METADATA_USER).cloned().unwrap_or_default();
                let outcome = self.exchange(&user, message).await;
                let (answer, principal) = match outcome {
                    Ok(step) => step,
                    Err(error) => {
                        metrics::counter!("analyzer_unauthenticated_total", "door" => "pgwire")
                            .increment(1);
                        return Err(error);
                    }
                };
                client.send(PgWireBackendMessage::Authentication(answer)).await?;
                if let Some(principal) = principal {
                    let database = client.metadata().get(METADATA_DATABASE).cloned();
                    self.admit(principal, &user, database.as_deref()).await?;
                    client.set_pid_and_secret_key(self.pid, SecretKey::I32(self.secret));
                    finish_authentication(client, &Parameters).await?;
                }
                Ok(())
            }
            _ => Err(fatal("08P01", "unexpected message before log-in")),
        }
    }
}

impl Connection {
    /// One round of SCRAM. The principal comes with the last answer, when the proof is right.
    async fn exchange(
        &self,
        user: &str,
        message: PasswordMessageFamily,
    ) -> PgWireResult<(Authentication, Option<Principal>)> {
        let refused =
            || fatal("28P01", &format!("password authentication failed for user \"{user}\""));
        let mut login = self.login.lock().await;
        match std::mem::replace(&mut *login, Login::Over) {
            Login::Begun => {
                let first = message.into_sasl_initial_response()?;
                if first.auth_method != SCRAM_SHA_256 {
                    return Err(fatal("28000", "the only log-in method is SCRAM-SHA-256"));
                }
                let verifier = self
                    .state
                    .ports
                    .scram
                    .verifier(user)
                    .map_err(|error| fatal("57P03", &error.to_string()))?;
                let data = first.data.unwrap_or_default();
                let mut server = ScramServerAuth::new();
                server.set_iterations(verifier.iterations as usize);
                let password = Password::new(Some(verifier.salt), verifier.salted_password);
                let (challenge, waiting) =
                    server.on_client_first_message(&data, password).map_err(|_| refused())?;
                *login = Login::Challenged(Box::new(waiting), verifier.principal);
                Ok((Authentication::SASLContinue(challenge.into()), None))
            }
            Login::Challenged(waiting, principal) => {
                let last = message.into_sasl_response()?;
                let proof = waiting.on_client_final_message(&last.data);
                match (proof, principal) {
                    (Ok(answer), Some(principal)) => {
                        Ok((Authentication::SASLFinal(answer.into()), Some(principal)))
                    }
                    (_, Some(principal)) => {
                        let reason = "the password is wrong";
                        self.state.record_denied(&principal, "log_in", reason).await;
                        Err(refused())
                    }
                    (_, None) => Err(refused()),
                }
            }
            Login::Over => Err(refused()),
        }
    }

    /// Lets an authenticated principal in, if it may ask SQL and asked for the database there is.
    async fn admit(
        &self,
        principal: Principal,
        user: &str,
        database: Option<&str>,
    ) -> PgWireResult<()> {
        // A client that names no database asks for one named like the user.
        if database.is_some_and(|name| name != DATABASE && name != user && !name.is_empty()) {
            let name = database.unwrap_or_default();
            return Err(fatal("3D000", &format!("database \"{name}\" does not exist")));
        }
        if !may_query(&principal) {
            let reason = "SQL is for analysts, auditors, supervisors and administrators";
            self.state.record_denied(&principal, "log_in", reason).await;
            return Err(fatal("42501", reason));
        }
        self.state.engine.backends().admit(self.pid, &principal);
        // The cell is empty: a log-in happens once.
        let _ = self.principal.set(principal);
        Ok(())
    }
}

/// What a client is told about the server at log-in.
struct Parameters;

impl ServerParameterProvider for Parameters {
    #[allow(clippy::disallowed_types, reason = "the trait asks for it; its order does not matter")]
    fn server_parameters<C>(&self, _client: &C) -> Option<std::collections::HashMap<String, String>>
    where
        C: ClientInfo,
    {
        let names = [
            "server_version",
            "server_encoding",
            "client_encoding",
            "DateStyle",
            "IntervalStyle",
            "TimeZone",
            "integer_datetimes",
            "standard_conforming_strings",
            "is_superuser",
            "in_hot_standby",
            "default_transaction_read_only",
        ];
        let known = |name: &str| setting(name).map(|value| (name.to_owned(), value.to_owned()));
        Some(names.into_iter().filter_map(known).collect())
    }
}
