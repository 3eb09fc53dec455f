//! What supervisors tell agents.

use ledgerline_routing_core::{Effect, RejectionCode};
use ledgerline_schemas::command::Command;
use ledgerline_schemas::event::Event;
use ledgerline_schemas::event::broadcast::{Audience, BroadcastSent};
use ledgerline_schemas::id::{QueueId, TeamId, UserId};
use ledgerline_schemas::{Actor, ActorType, StreamId};

use crate::scenario::{Scenario, login, logs_out, queue, team, tells, user};

/// Ann and bob work in team one, cat in team two.
fn staffed() -> Scenario {
    Scenario::new().given([login("ann", "one"), login("bob", "one"), login("cat", "two")])
}

fn told(it: &Scenario) -> Vec<UserId> {
    let steps = it.last.as_ref().expect("accepted");
    let effects = steps.iter().flat_map(|step| &step.effects);
    let told = effects.filter_map(|effect| match effect {
        Effect::ShowBroadcast { agent_id, .. } => Some(*agent_id),
        _ => None,
    });
    told.collect()
}

fn sorted(names: &[&str]) -> Vec<UserId> {
    let mut ids: Vec<_> = names.iter().map(|name| user(name)).collect();
    ids.sort_unstable();
    ids
}

fn sent(it: &Scenario) -> BroadcastSent {
    it.newest(|event| match event {
        Event::BroadcastSent(sent) => Some(sent.clone()),
        _ => None,
    })
}

#[test]
fn those_who_are_meant_are_told_and_nobody_else() {
    for (audience, names, teams) in [
        (Audience::Team(team("one")), &["ann", "bob"][..], &["one"][..]),
        (Audience::Team(team("two")), &["cat"], &["two"]),
        (Audience::Queue(queue("support")), &["cat"], &["two"]),
        // Sales searches team two only after a while; it serves the queue all the same.
        (Audience::Queue(queue("sales")), &["ann", "bob", "cat"], &["one", "two"]),
        (Audience::All, &["ann", "bob", "cat"], &[]),
    ] {
        let supervisor = Actor::new(ActorType::Supervisor, user("cat"));
        staffed()
            .when_by(supervisor.clone(), tells(audience, "Sales closes at five"))
            .then(&["broadcast.sent"])
            .and(|it| {
                assert_eq!(told(it), sorted(names), "{audience:?}");
                let event = it.log.last().expect("an event");
                assert_eq!((&event.actor, &event.stream), (&supervisor, &StreamId::broadcasts()));
                let sent = sent(it);
                let mut expected: Vec<TeamId> = teams.iter().map(|name| team(name)).collect();
                expected.sort_unstable();
                assert_eq!((sent.audience, sent.team_ids), (audience, expected));
                assert_eq!(sent.by, Some(user("cat")));
                assert_eq!(sent.text, "Sales closes at five");
                assert_eq!(sent.expires_at, it.now.plus_ms(60_000));
            });
    }
}

#[test]
fn who_has_logged_out_is_not_told_and_the_message_stands() {
    staffed()
        .given([logs_out("ann"), logs_out("bob")])
        .when(tells(Audience::Team(team("one")), "Hello"))
        .then(&["broadcast.sent"])
        .then_effects(&[]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let long = |chars| "é".repeat(chars);
    let lasting = |ttl_ms| Command::Broadcast { audience: Audience::All, text: "x".into(), ttl_ms };
    let day = 24 * 60 * 60 * 1_000;
    Scenario::new()
        .given([tells(Audience::All, &long(999)), tells(Audience::All, &long(1_000))])
        .given([lasting(1_000), lasting(day)])
        .when(tells(Audience::All, &long(1_001)))
        .then_refused(RejectionCode::Invalid, "text")
        .when(tells(Audience::All, ""))
        .then_refused(RejectionCode::Invalid, "text")
        .when(tells(Audience::All, " \n"))
        .then_refused(RejectionCode::Invalid, "text")
        .when(lasting(999))
        .then_refused(RejectionCode::Invalid, "ttl_ms")
        .when(lasting(day + 1))
        .then_refused(RejectionCode::Invalid, "ttl_ms")
        .when(tells(Audience::Team(TeamId::from_u128(1)), "x"))
        .then_refused(RejectionCode::Invalid, "team_id")
        .when(tells(Audience::Queue(QueueId::from_u128(1)), "x"))
        .then_refused(RejectionCode::Invalid, "queue_id");
}
