//! Who reads the log at the KurrentDB door.

use ledgerline_access::{Grant, Role, TokenIssuer};
use ledgerline_event_store::memory::MemoryLog;
use ledgerline_event_store::{Append, EventReader as _};
use ledgerline_projections::Options;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::id::{EventId, UserProfileId};
use ledgerline_schemas::{Actor, NewEvent, Position, StreamId, Timestamp};
use serde_json::{Value, json};

use super::*;

const ORG: OrgId = OrgId::from_u128(1);

fn profile(number: u128, document: &Value) -> NewEvent {
    let id = UserProfileId::from_u128(number);
    let payload =
        json!({"entity_id": id, "entity_version": 1, "after": document, "changed_paths": []});
    let event = Event::from_json("config.user_profile.created", payload).expect("event");
    NewEvent {
        id: EventId::from_u128(number),
        stream: StreamId::new("test"),
        event_type: event.event_type().into(),
        time: Timestamp::EPOCH,
        command_id: Default::default(),
        correlation_id: Default::default(),
        causation_id: None,
        actor: Actor::router(),
        config_position: Position::START,
        traceparent: None,
        data_subject_id: None,
        payload: event.encode(),
    }
}

#[tokio::test]
async fn a_profile_that_leaves_something_out_closes_the_log() {
    let log = MemoryLog::new(ORG, || Timestamp::EPOCH);
    let all = json!({"name": "all", "sites": "all", "teams": "all", "queues": "all", "entry_points": "all"});
    let mut less = all.clone();
    less["name"] = json!("less");
    less["queues"] = json!([]);
    let events = vec![profile(1, &all), profile(2, &less)];
    drop(log.submit(Append { events, expected: Vec::new() }).expect("append"));
    let dir = tempfile::tempdir().expect("dir");
    let reader = Arc::new(log.clone());
    let projections =
        Projections::start(reader, dir.path().to_owned(), Options::default()).expect("tables");
    projections.wait_for(log.head()).await.expect("folded");
    let opened = Opened::default();
    opened.add(ORG, Open { log: Arc::new(log), projections: projections.clone() });
    let issuer = TokenIssuer::open(dir.path()).expect("issuer");
    let users = ScramCredentials::open(dir.path()).expect("users");
    let verifier = Verifier::from(issuer.clone());
    let clients = EventClients { verifier, users, opened };
    let may_read = move |profile: Option<u128>| {
        let grant = Grant {
            org_id: ORG,
            subject: "reader".to_owned(),
            roles: [Role::Integrator].into(),
            user_id: None,
            user_profile_id: profile.map(UserProfileId::from_u128),
            ttl_s: 60,
        };
        let token = issuer.issue(&grant).expect("token");
        clients.authorize(&Credentials::Bearer(token)).expect("a caller").may_read
    };
    // The door asks on threads that may block.
    let told =
        tokio::task::spawn_blocking(move || [None, Some(1), Some(2), Some(404)].map(may_read));
    assert_eq!(told.await.expect("told"), [true, true, false, false]);
    projections.stop().await;
}
