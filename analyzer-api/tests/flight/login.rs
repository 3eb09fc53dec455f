//! Who comes in, and for how long.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::{Criteria, Empty, FlightDescriptor, HandshakeRequest, Ticket};
use ledgerline_analyzer_api::ports::{AuthError, ScramStore, ScramVerifier};
use ledgerline_analyzer_api::{AnalyzerState, Engine, Limits};
use ledgerline_schemas::Event;
use pgwire::api::auth::sasl::scram::gen_salted_password;
use tonic::{Code, Request};

use crate::server::{basic, code, config, refused, serve_world, server};
use crate::support::{ACME, PASSWORD, principal, world};

const ONE: &str = "SELECT 1::bigint";

#[tokio::test]
async fn a_password_gives_a_session_and_both_open_the_door() {
    let server = server().await;
    let mut client = FlightSqlServiceClient::new(server.channel().await);
    let payload = client.handshake("acme-analyst", PASSWORD).await.unwrap();
    let token = client.token().expect("in the header").clone();
    assert_eq!(payload, token.as_bytes());
    assert_eq!(server.caller(&token).await.ask(ONE).await.unwrap().number(), 1);
    let by_password = server.caller_with(&basic("acme-analyst", PASSWORD)).await;
    assert_eq!(by_password.ask(ONE).await.unwrap().number(), 1);
    // A signed token needs no handshake.
    assert_eq!(server.caller("globex-auditor").await.ask(ONE).await.unwrap().number(), 1);
}

#[tokio::test]
async fn nobody_enters_without_credentials_and_role() {
    let server = server().await;
    let wrong = basic("acme-analyst", "wrong");
    for authorization in ["", "Bearer nobody", "Bearer session-x", "Basic !", &wrong] {
        let caller = server.caller_with(authorization).await;
        let status = caller.ask(ONE).await.unwrap_err();
        assert_eq!((status.code(), code(&status)), (Code::Unauthenticated, "unauthenticated"));
    }
    let unknown = server.caller_with(&basic("unknown", PASSWORD)).await;
    let wrong = server.caller_with(&basic("acme-analyst", "wrong")).await;
    let (unknown, wrong) = (unknown.ask(ONE).await, wrong.ask(ONE).await);
    let (unknown, wrong) = (unknown.unwrap_err(), wrong.unwrap_err());
    assert_eq!(unknown.message(), wrong.message(), "it does not tell which names exist");
    let status = server.caller("acme-agent").await.ask(ONE).await.unwrap_err();
    assert_eq!((status.code(), code(&status)), (Code::PermissionDenied, "not_allowed"));
    let handshake = Request::new(futures::stream::iter([HandshakeRequest::default()]));
    let mut client = FlightServiceClient::new(server.channel().await);
    assert_eq!(client.handshake(handshake).await.unwrap_err().code(), Code::Unauthenticated);
    let denied = server.world.access_events(ACME);
    let denied = denied.iter().filter(|event| matches!(event, Event::AccessDenied(_))).count();
    assert_eq!(denied, 3, "two wrong passwords of a known user, one role");
}

/// Every method of the service, also those it does not support, wants to know who calls.
#[tokio::test]
async fn every_call_is_authenticated() {
    let server = server().await;
    let nobody = server.caller_with("").await;
    let mut client = nobody.client.clone();
    let descriptor = FlightDescriptor::new_cmd(Vec::new());
    let outcomes = [
        client.list_flights(Criteria::default()).await.map(drop),
        client.list_actions(Empty {}).await.map(drop),
        client.do_exchange(futures::stream::empty()).await.map(drop),
        client.get_schema(descriptor).await.map(drop),
        nobody.action("CancelFlightInfo", Vec::new()).await.map(drop),
        nobody.action("CloseSession", Vec::new()).await.map(drop),
        nobody.action("Unknown", Vec::new()).await.map(drop),
    ];
    for outcome in outcomes {
        assert_eq!(outcome.unwrap_err().code(), Code::Unauthenticated);
    }
    for command in catalog_commands() {
        let descriptor = FlightDescriptor::new_cmd(command.clone());
        let status = client.get_flight_info(descriptor).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
        let status = client.do_get(Ticket::new(command)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
    }
}

/// The commands that are their own ticket.
fn catalog_commands() -> Vec<Vec<u8>> {
    use arrow_flight::sql::*;
    use prost::Message as _;
    let table = || "queue_leg".to_owned();
    [
        CommandGetCatalogs::default().as_any(),
        CommandGetDbSchemas::default().as_any(),
        CommandGetTables::default().as_any(),
        CommandGetTableTypes::default().as_any(),
        CommandGetSqlInfo::default().as_any(),
        CommandGetXdbcTypeInfo::default().as_any(),
        CommandGetPrimaryKeys { table: table(), ..Default::default() }.as_any(),
        CommandGetExportedKeys { table: table(), ..Default::default() }.as_any(),
        CommandGetImportedKeys { table: table(), ..Default::default() }.as_any(),
        CommandGetCrossReference::default().as_any(),
        CommandPreparedStatementQuery::default().as_any(),
    ]
    .into_iter()
    .map(|command| command.encode_to_vec())
    .collect()
}

#[tokio::test]
async fn a_session_is_closed_by_its_client() {
    let server = server().await;
    let token = server.client("acme-analyst").await.token().unwrap().clone();
    let caller = server.caller(&token).await;
    let closed = caller.action("CloseSession", Vec::new()).await.unwrap();
    assert_eq!(closed[0].body.as_ref(), [8, 1], "CloseSessionResult of status CLOSED");
    let status = caller.ask(ONE).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(status.message().contains("session has ended"), "{}", status.message());
    let signed = server.caller("acme-analyst").await;
    assert_eq!(refused(signed.action("CloseSession", Vec::new()).await), "invalid_request");
}

#[tokio::test]
async fn a_session_ends_when_it_is_not_used() {
    let world = world();
    let (state, mut config) = (world.state.clone(), config());
    config.session_idle = Duration::ZERO;
    let server = serve_world(world, state, config).await;
    let token = server.client("acme-analyst").await.token().unwrap().clone();
    assert_eq!(refused(server.caller(&token).await.ask(ONE).await), "unauthenticated");
}

/// Passwords that can be changed.
#[derive(Debug, Default)]
struct Passwords(Mutex<BTreeMap<String, String>>);

impl Passwords {
    fn set(&self, user: &str, password: Option<&str>) {
        let mut all = self.0.lock().unwrap();
        match password {
            Some(password) => all.insert(user.to_owned(), password.to_owned()),
            None => all.remove(user),
        };
    }
}

impl ScramStore for Passwords {
    fn verifier(&self, user: &str) -> Result<ScramVerifier, AuthError> {
        let all = self.0.lock().unwrap();
        let salt = b"0123456789abcdef".to_vec();
        let password = all.get(user).map_or("nobody has it", String::as_str);
        Ok(ScramVerifier {
            principal: principal(user).filter(|_| all.contains_key(user)),
            salted_password: gen_salted_password(password, &salt, 4_096),
            salt,
            iterations: 4_096,
        })
    }
}

#[tokio::test]
async fn a_session_ends_with_its_users_password() {
    let world = world();
    let passwords = Arc::new(Passwords::default());
    passwords.set("acme-analyst", Some(PASSWORD));
    passwords.set("acme-auditor", Some(PASSWORD));
    let mut ports = world.ports(Arc::clone(&world.snapshots));
    ports.scram = passwords.clone();
    let state = AnalyzerState::new(Engine::new(Limits::default()).unwrap(), ports);
    let server = serve_world(world, state, config()).await;
    for (user, password) in [("acme-analyst", Some("another")), ("acme-auditor", None)] {
        let token = server.client(user).await.token().unwrap().clone();
        let caller = server.caller(&token).await;
        assert_eq!(caller.ask(ONE).await.unwrap().number(), 1);
        passwords.set(user, password);
        assert_eq!(refused(caller.ask(ONE).await), "unauthenticated", "{user}");
    }
    let mut client = FlightSqlServiceClient::new(server.channel().await);
    client.handshake("acme-analyst", "another").await.unwrap();
    client.handshake("acme-analyst", PASSWORD).await.unwrap_err();
}
