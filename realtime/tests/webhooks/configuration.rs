//! Subscriptions follow the configuration.

use ledgerline_realtime::webhook::status::EndpointState;
use ledgerline_realtime::webhook::{Clock as _, Webhooks};
use ledgerline_schemas::Position;
use ledgerline_schemas::StreamId;
use ledgerline_schemas::event::ConfigVerb;
use ledgerline_schemas::event::agent::{AgentSessionEnded, SignOutReason};
use ledgerline_schemas::id::{AgentSessionId, UserId};

use super::receiver::{Answer, Receiver};
use super::world::{SUBSCRIPTION, World, append, document, runtime};

#[test]
fn only_what_was_asked_for_is_sent_and_only_from_then_on() {
    let receiver = Receiver::start(Answer::Status(200));
    let world = World::new(&receiver);
    let agent = || {
        let agent_id = UserId::from_u128(5);
        let event = AgentSessionEnded {
            agent_session_id: AgentSessionId::from_u128(6),
            agent_id,
            reason: SignOutReason::Agent,
        };
        append(&world.log, StreamId::agent(agent_id), &event.into())
    };
    agent();
    world.happens(1, "one");
    let types = |types: &[&str]| {
        let mut document = document(&receiver.url());
        document["event_types"] = types.into();
        world.configure(document);
    };
    let types_sent = || -> Vec<String> {
        receiver
            .requests()
            .iter()
            .map(|it| it.json()["type"].as_str().unwrap().to_owned())
            .collect()
    };
    runtime().block_on(async {
        let webhooks = world.webhooks().await;
        webhooks.step().await.unwrap();
        assert_eq!(types_sent(), ["task.failed"]);
        types(&["agent.*"]);
        agent();
        world.happens(1, "two");
        webhooks.step().await.unwrap();
        assert_eq!(types_sent(), ["task.failed", "agent.logout"]);
        types(&["agent.login", "task.created"]);
        agent();
        world.happens(1, "three");
        webhooks.step().await.unwrap();
        assert_eq!(types_sent().len(), 2);
        assert_eq!(world.status(&webhooks).await.lag_events, 0);
    });
}

#[test]
fn off_is_a_pause_and_gone_is_gone() {
    let receiver = Receiver::start(Answer::Status(200));
    let world = World::new(&receiver);
    let runtime = runtime();
    let switched = |active: bool| {
        let mut document = document(&receiver.url());
        document["active"] = active.into();
        world.configure(document);
    };
    let reasons = || -> Vec<String> {
        let taken = receiver.taken();
        taken.iter().map(|it| it.json()["data"]["reason"].as_str().unwrap().to_owned()).collect()
    };
    runtime.block_on(async {
        let webhooks = world.webhooks().await;
        switched(false);
        world.happens(1, "while off");
        webhooks.step().await.unwrap();
        assert_eq!(world.status(&webhooks).await.state, EndpointState::Off);
        assert!(reasons().is_empty());
        switched(true);
        webhooks.step().await.unwrap();
        assert_eq!(reasons(), ["while off"]);
        world.change(SUBSCRIPTION, ConfigVerb::Deleted, None);
        world.happens(1, "while gone");
        webhooks.step().await.unwrap();
        assert!(webhooks.list().await.unwrap().is_empty());
        assert_eq!(std::fs::read_dir(world.folder.path()).unwrap().count(), 0);
        // A new one of the same id begins where it is created.
        switched(true);
        world.happens(1, "anew");
        webhooks.step().await.unwrap();
        assert_eq!(reasons(), ["while off", "anew"]);
    });
    // The same after a start, be it that the tables know of the subscription.
    runtime.block_on(async {
        let head = Position(world.log_head());
        let webhooks = Webhooks::open(world.parts(), &[SUBSCRIPTION], head).await.unwrap();
        world.happens(1, "after a start");
        webhooks.step().await.unwrap();
        assert_eq!(reasons(), ["while off", "anew", "after a start"]);
        // From the beginning of the log, past the end of the first of this id.
        let webhooks = world.webhooks().await;
        webhooks.step().await.unwrap();
        assert_eq!(reasons().len(), 3, "{:?}", reasons());
    });
}

#[tokio::test]
async fn work_goes_on_by_itself_and_notices_new_subscriptions() {
    let receiver = Receiver::start(Answer::Status(200));
    let world = World::new(&receiver);
    let webhooks = std::sync::Arc::new(world.webhooks().await);
    let working = tokio::spawn({
        let webhooks = std::sync::Arc::clone(&webhooks);
        async move { webhooks.work().await }
    });
    let begin = world.clock.now();
    let wait_for = async |count: usize| {
        while receiver.taken().len() < count {
            tokio::task::yield_now().await;
        }
    };
    world.happens(1, "one");
    wait_for(1).await;
    world.happens(1, "two");
    wait_for(2).await;
    world.change(SUBSCRIPTION, ConfigVerb::Deleted, None);
    world.configure(document(&receiver.url()));
    world.happens(1, "three");
    wait_for(3).await;
    assert_eq!(world.clock.now(), begin);
    working.abort();
    assert!(working.await.unwrap_err().is_cancelled());
}
