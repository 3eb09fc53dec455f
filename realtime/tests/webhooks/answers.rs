//! What a receiver may do, and what comes of it.

use ledgerline_realtime::webhook::body::BODY_BYTES_MAX;
use ledgerline_realtime::webhook::status::EndpointState;
use ledgerline_schemas::Event;

use super::receiver::{Answer, Receiver};
use super::world::{HOUR_MS, SUBSCRIPTION, World, document, runtime, stream};

#[test]
fn events_arrive_once_in_order_and_as_cloud_events() {
    let receiver = Receiver::start(Answer::Status(204));
    let world = World::new(&receiver);
    let first = world.happens(1, "one");
    world.happens(1, "two");
    runtime().block_on(async {
        let webhooks = world.webhooks().await;
        assert_eq!(webhooks.step().await.unwrap(), None);
        assert_eq!(webhooks.step().await.unwrap(), None);
        let status = world.status(&webhooks).await;
        assert_eq!((status.lag_events, status.open_events, status.problem), (0, 0, None));
        assert_eq!(status.url, format!("http://{}", receiver.host()));
        assert!(status.last.unwrap().is_taken);
    });
    let requests = receiver.requests();
    let [one, two] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(one.line, "POST /take/it?key=abc HTTP/1.1");
    assert_eq!(one.headers["content-type"], "application/cloudevents+json");
    assert_eq!(one.headers["webhook-timestamp"], "1780300800");
    let body = one.json();
    for (name, value) in [
        ("specversion", "1.0"),
        ("type", "task.failed"),
        ("logtype", "interaction.failed"),
        ("source", "/orgs/00000000-0000-0000-0000-00000000000a"),
        ("datacontenttype", "application/json"),
    ] {
        assert_eq!(body[name], value, "{name}");
    }
    assert_eq!(body["subject"], stream(1));
    assert_eq!(body["position"], first.to_string());
    assert_eq!(body["data"]["reason"], "one");
    assert_ne!(body["id"], one.headers["webhook-id"].as_str());
    assert_eq!(two.json()["data"]["reason"], "two");
    // Attributes of CloudEvents: lower-case letters and digits, at most 20.
    for name in body.as_object().unwrap().keys() {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        assert!(name.len() <= 20 && name.chars().all(is_plain), "{name}");
    }
}

#[test]
fn whoever_fails_gets_it_again_under_the_same_id() {
    for answer in [
        Answer::Status(500),
        Answer::Status(400),
        Answer::Status(429),
        Answer::Silence,
        Answer::HangUp,
        Answer::Redirect(302, "http://169.254.169.254/latest".to_owned()),
    ] {
        let receiver = Receiver::start(Answer::Status(200));
        receiver.book.script.lock().unwrap().extend([answer.clone(), answer.clone()]);
        let world = World::new(&receiver);
        world.happens(1, "one");
        world.happens(1, "two");
        runtime().block_on(async {
            let webhooks = world.webhooks().await;
            let next = webhooks.step().await.unwrap().unwrap();
            assert_eq!(receiver.requests().len(), 1, "{answer:?}: one at a time");
            let status = world.status(&webhooks).await;
            let [failing] = status.failing.as_slice() else { panic!("{status:?}") };
            assert_eq!((failing.attempts, failing.next_at), (1, next), "{answer:?}");
            assert!(!failing.reason.is_empty() && !failing.reason.contains("abc"), "{failing:?}");
            // Not before its time.
            assert_eq!(webhooks.step().await.unwrap(), Some(next));
            assert_eq!(receiver.requests().len(), 1, "{answer:?}");
            world.to_the_end(&webhooks).await;
        });
        let requests = receiver.requests();
        let ids: Vec<_> = requests.iter().map(|it| it.id()).collect();
        assert_eq!(ids.len(), 4, "{answer:?}");
        assert!(ids[0] == ids[1] && ids[1] == ids[2] && ids[2] != ids[3], "{ids:?}");
        let taken: Vec<_> = receiver.taken().iter().map(|it| it.position()).collect();
        assert_eq!(taken, [2, 3], "{answer:?}");
    }
}

#[test]
fn a_redirect_inwards_is_not_followed() {
    let inside = Receiver::start(Answer::Status(200));
    for status in [301, 302, 303, 307, 308] {
        let receiver = Receiver::start(Answer::Redirect(status, inside.url()));
        let mut world = World::new(&receiver);
        // Even to where the settings would allow to go.
        world.private.push(inside.host());
        world.happens(1, "one");
        runtime().block_on(async {
            let webhooks = world.webhooks().await;
            webhooks.step().await.unwrap().unwrap();
            let reason = world.status(&webhooks).await.failing[0].reason.clone();
            assert!(reason.contains("redirects are not followed"), "{reason}");
        });
        assert_eq!(receiver.requests().len(), 1);
    }
    assert_eq!(inside.connections(), 0);
}

#[test]
fn places_inside_are_not_even_connected_to() {
    let receiver = Receiver::start(Answer::Status(200));
    let port = receiver.port;
    for url in [
        receiver.url(),
        format!("https://127.0.0.1:{port}/"),
        format!("https://localhost:{port}/"),
        format!("https://[::1]:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        format!("https://0x7f000001:{port}/"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
    ] {
        let mut world = World::new(&receiver);
        // Another port of the same host is allowed, this one is not.
        world.private = vec!["127.0.0.1:1".to_owned()];
        world.configure(document(&url));
        world.happens(1, "one");
        runtime().block_on(async {
            let webhooks = world.webhooks().await;
            webhooks.step().await.unwrap().unwrap();
            let reason = world.status(&webhooks).await.failing[0].reason.clone();
            assert!(reason.contains("webhooks.private_hosts"), "{url}: {reason}");
        });
    }
    assert_eq!(receiver.connections(), 0);
}

#[test]
fn an_endless_answer_costs_nothing() {
    let receiver = Receiver::start(Answer::Endless);
    let world = World::new(&receiver);
    world.happens(1, "one");
    runtime().block_on(async {
        let webhooks = world.webhooks().await;
        assert_eq!(webhooks.step().await.unwrap(), None);
    });
    assert_eq!(receiver.taken().len(), 1);
}

#[test]
fn whoever_is_gone_is_left_alone_until_somebody_says_otherwise() {
    let receiver = Receiver::start(Answer::Status(200));
    let world = World::new(&receiver);
    let runtime = runtime();
    receiver.book.script.lock().unwrap().extend([Answer::Status(200), Answer::Status(410)]);
    for n in 1..=3 {
        world.happens(1, &n.to_string());
    }
    runtime.block_on(async {
        let webhooks = world.webhooks().await;
        assert_eq!(webhooks.step().await.unwrap(), None);
        assert_eq!(world.status(&webhooks).await.state, EndpointState::Disabled);
    });
    // Neither time nor a restart takes it up again; nothing is lost meanwhile.
    world.pass_ms(100 * HOUR_MS);
    world.happens(1, "4");
    runtime.block_on(async {
        let webhooks = world.webhooks().await;
        assert_eq!(webhooks.step().await.unwrap(), None);
        let status = world.status(&webhooks).await;
        assert_eq!(status.state, EndpointState::Disabled);
        assert!(status.disabled.unwrap().reason.contains("410"));
        assert_eq!(status.done_position.0, 2, "the one that was answered 410 is not done");
        assert_eq!(receiver.requests().len(), 2);
        let endpoint = webhooks.find("CRM").await.unwrap().unwrap();
        endpoint.enable("ann").await.unwrap();
        world.to_the_end(&webhooks).await;
    });
    let taken: Vec<_> =
        receiver.taken().iter().map(|it| it.json()["data"]["reason"].clone()).collect();
    assert_eq!(taken, ["1", "2", "3", "4"]);
    let told = world.told();
    let [Event::WebhookDisabled(off), Event::WebhookEnabled(on)] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!((off.subscription_id, off.done_position.0), (SUBSCRIPTION, 2));
    assert_eq!(on.requested_by.as_deref(), Some("ann"));
    // A change of the subscription takes it up as well, be it made while the server was down.
    receiver.book.script.lock().unwrap().push_back(Answer::Status(410));
    world.happens(1, "5");
    runtime.block_on(async { world.webhooks().await.step().await.unwrap() });
    world.configure(document(&receiver.url()));
    runtime.block_on(async {
        let webhooks = world.webhooks().await;
        world.to_the_end(&webhooks).await;
        assert_eq!(world.status(&webhooks).await.state, EndpointState::On);
    });
    assert_eq!(receiver.taken().len(), 5);
    let Some(Event::WebhookEnabled(on)) = world.told().pop() else { panic!("not told") };
    assert_eq!(on.requested_by, None);
}

#[test]
fn whoever_comes_back_after_an_hour_gets_everything_in_order() {
    let receiver = Receiver::start(Answer::Status(503));
    let world = World::new(&receiver);
    let begin = *world.clock.0.lock().unwrap();
    for n in 1..=40 {
        world.happens(n % 8, &n.to_string());
    }
    runtime().block_on(async {
        let webhooks = world.webhooks().await;
        loop {
            let next = webhooks.step().await.unwrap().unwrap();
            if next.ms_since(begin) > HOUR_MS {
                break;
            }
            world.set(next);
        }
        assert!(receiver.taken().is_empty());
        assert_eq!(world.status(&webhooks).await.done_position.0, 1);
        receiver.now_answers(Answer::Status(200));
        // With the first that is due and taken come the others, whose time is later.
        let next = webhooks.step().await.unwrap().unwrap();
        assert!(receiver.taken().is_empty());
        world.set(next);
        assert_eq!(webhooks.step().await.unwrap(), None);
        assert_eq!(world.status(&webhooks).await.lag_events, 0);
    });
    in_order_and_whole(&receiver, 8, 40);
}

/// Every event of every interaction, in its order.
fn in_order_and_whole(receiver: &Receiver, interactions: u128, events: usize) {
    let taken = receiver.taken();
    assert_eq!(taken.len(), events);
    for interaction in 0..interactions {
        let of_it = taken.iter().filter(|it| it.stream() == stream(interaction));
        let positions: Vec<_> = of_it.map(|it| it.position()).collect();
        assert!(positions.is_sorted(), "{interaction}: {positions:?}");
        assert_eq!(positions.len(), events / usize::try_from(interactions).unwrap());
    }
}

#[test]
fn an_interaction_that_fails_holds_up_itself_alone_and_reading_pauses_within_bounds() {
    let receiver = Receiver::start(Answer::Status(200));
    let mut world = World::new(&receiver);
    world.bounds.lanes_max = 4;
    let bad = |on: bool| {
        let mut by_stream = receiver.book.by_stream.lock().unwrap();
        by_stream.clear();
        if on {
            by_stream.extend((1..=4).map(|n| (stream(n), Answer::Status(500))));
        }
    };
    bad(true);
    world.happens(1, "bad");
    for n in 10..40 {
        world.happens(n, "good");
    }
    world.happens(1, "behind");
    runtime().block_on(async {
        let webhooks = world.webhooks().await;
        webhooks.step().await.unwrap();
        assert_eq!(receiver.taken().len(), 30, "the others are not held up");
        let status = world.status(&webhooks).await;
        assert_eq!((status.open_events, status.open_streams, status.is_paused), (2, 1, false));
        assert_eq!(status.done_position.0, 1);
        // Four that fail are as many as may wait.
        for n in 2..=4 {
            world.happens(n, "bad");
        }
        let last = world.happens(50, "good");
        webhooks.step().await.unwrap();
        let status = world.status(&webhooks).await;
        assert!(status.is_paused && status.read_position < last, "{status:?}");
        assert_eq!(receiver.taken().len(), 30);
        bad(false);
        world.to_the_end(&webhooks).await;
        assert_eq!(receiver.taken().len(), 36);
        let status = world.status(&webhooks).await;
        assert_eq!((status.lag_events, status.is_paused), (0, false));
    });
}

#[test]
fn what_is_too_large_comes_without_its_data() {
    let receiver = Receiver::start(Answer::Status(200));
    let world = World::new(&receiver);
    let size = |request: &super::receiver::Request| request.body.len();
    world.happens(1, "");
    runtime().block_on(async { world.webhooks().await.step().await.unwrap() });
    let empty = size(&receiver.requests()[0]);
    // The second position has as many digits as the first, so that both bodies are as long but for the text.
    let room = BODY_BYTES_MAX - empty;
    let whole = world.happens(1, &"x".repeat(room));
    let large = world.happens(1, &"x".repeat(room + 1));
    runtime().block_on(async { world.webhooks().await.step().await.unwrap() });
    let requests = receiver.requests();
    let [_, fits, not] = requests.as_slice() else { panic!("{}", requests.len()) };
    assert_eq!((fits.position(), size(fits)), (whole.0, BODY_BYTES_MAX));
    assert!(fits.json()["data"].is_object());
    let body = not.json();
    assert_eq!((not.position(), &body["dataomitted"]), (large.0, &true.into()));
    assert!(body.get("data").is_none() && body.get("datacontenttype").is_none());
    let place = format!("/v1/realtime/sse?dataset=events&after={}", large.0 - 1);
    assert_eq!(body["dataref"], place);
    assert!(size(not) < 1_000);
}
