//! What the official Rust client does against a running server; see `cargo xtask kurrent-clients`.

use std::error::Error as StdError;
use std::io::{BufRead as _, Write as _};

use kurrentdb::{
    AppendToStreamOptions, Client, DeletePersistentSubscriptionOptions, DeleteStreamOptions, Error,
    EventData, GetPersistentSubscriptionInfoOptions, NakAction, PersistentSubscriptionOptions,
    Position, ReadAllOptions, ReadStreamOptions, ReplayParkedMessagesOptions, ResolvedEvent,
    RetryOptions, StreamPosition, StreamState, SubscribeToAllOptions, SubscribeToStreamOptions,
    SubscriptionFilter,
};
use uuid::Uuid;

type Outcome<T> = Result<T, Box<dyn StdError>>;

fn said(text: &str) {
    println!("ok {text}");
}

fn restart() -> Outcome<()> {
    println!("restart");
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    assert_eq!(line.trim(), "restarted");
    Ok(())
}

fn connect(address: &str, user: &str, password: &str, tls: &str) -> Outcome<Client> {
    let text = format!("kurrentdb://{user}:{password}@{address}?{tls}");
    Ok(Client::new(text.parse()?)?)
}

fn event(number: u64) -> (Uuid, EventData) {
    let id = Uuid::new_v4();
    let name = if number % 2 == 1 { "OrderPlaced" } else { "OrderShipped" };
    let data = serde_json::json!({ "number": number });
    let event = EventData::json(name, &data).expect("json").id(id);
    (id, event)
}

fn ids(events: &[ResolvedEvent]) -> Vec<Uuid> {
    events.iter().map(|it| it.get_original_event().id).collect()
}

async fn collect(mut stream: kurrentdb::ReadStream) -> kurrentdb::Result<Vec<ResolvedEvent>> {
    let mut found = Vec::new();
    while let Some(event) = stream.next().await? {
        found.push(event);
    }
    Ok(found)
}

fn state(revision: u64) -> AppendToStreamOptions {
    AppendToStreamOptions::default().stream_state(StreamState::StreamRevision(revision))
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let variable = |name: &str| std::env::var(name);
    let (address, user) = (variable("KURRENT_ADDRESS")?, variable("KURRENT_USER")?);
    let password = variable("KURRENT_PASSWORD")?;
    let tls = format!("tls=true&tlsCaFile={}", variable("KURRENT_CA")?);
    let db = connect(&address, &user, &password, &tls)?;
    let stream = format!("external-rust-{}", Uuid::new_v4());

    let made: Vec<_> = (0..6).map(event).collect();
    let first: Vec<Uuid> = made.iter().map(|(id, _)| *id).collect();
    let events: Vec<EventData> = made.into_iter().map(|(_, event)| event).collect();
    let fresh = AppendToStreamOptions::default().stream_state(StreamState::NoStream);
    db.append_to_stream(stream.as_str(), &fresh, events[0].clone()).await?;
    for _ in 0..2 {
        let written = db.append_to_stream(stream.as_str(), &state(0), events[1..].to_vec()).await?;
        assert_eq!(written.next_expected_version, 5);
    }
    said("appended one event and a batch, twice");

    let wrong = db.append_to_stream(stream.as_str(), &state(2), event(9).1).await;
    assert!(matches!(wrong, Err(Error::WrongExpectedVersion { .. })), "{wrong:?}");
    let ours = db.append_to_stream("interaction-1", &Default::default(), event(9).1).await;
    assert!(matches!(ours, Err(Error::AccessDenied)), "{ours:?}");
    let deleted = db.delete_stream(stream.as_str(), &DeleteStreamOptions::default()).await;
    assert!(matches!(deleted, Err(Error::AccessDenied)), "{deleted:?}");
    let missing = format!("{stream}-none");
    let missing = db.read_stream(missing, &ReadStreamOptions::default()).await;
    let missing = match missing {
        Ok(stream) => collect(stream).await.map(|_| ()),
        Err(error) => Err(error),
    };
    assert!(matches!(missing, Err(Error::ResourceNotFound)), "{missing:?}");
    let stranger = connect(&address, &user, "wrong", &tls)?;
    let refused = stranger.read_stream(stream.as_str(), &ReadStreamOptions::default()).await;
    assert!(matches!(refused, Err(Error::AccessDenied)));
    said(
        "wrong version, read-only stream, deletion, missing stream and wrong password were refused",
    );

    // The same without TLS, from this machine.
    let clear = connect(&address, &user, &password, "tls=false")?;
    let options = ReadStreamOptions::default().max_count(100);
    let forward = collect(clear.read_stream(stream.as_str(), &options).await?).await?;
    assert_eq!(ids(&forward), first);
    assert_eq!(forward[3].get_original_event().data.as_ref(), br#"{"number":3}"#);
    let options =
        ReadStreamOptions::default().backwards().position(StreamPosition::End).max_count(2);
    let backward = collect(db.read_stream(stream.as_str(), &options).await?).await?;
    let revisions: Vec<u64> = backward.iter().map(|it| it.get_original_event().revision).collect();
    assert_eq!(revisions, [5, 4]);
    said("read the stream forward and backward");

    let all = ReadAllOptions::default().max_count(100_000);
    let everything = collect(db.read_all(&all).await?).await?;
    let of_ours: Vec<ResolvedEvent> =
        everything.into_iter().filter(|it| it.get_original_event().stream_id() == stream).collect();
    assert_eq!(ids(&of_ours), first);
    let by = |filter| ReadAllOptions::default().max_count(100_000).filter(filter);
    let placed = by(SubscriptionFilter::on_event_type().add_prefix("OrderPlaced"));
    let placed = collect(db.read_all(&placed).await?).await?;
    assert!(placed.len() >= 3);
    assert!(placed.iter().all(|it| it.get_original_event().event_type == "OrderPlaced"));
    let named = by(SubscriptionFilter::on_stream_name().regex(format!("^{stream}$")));
    assert_eq!(ids(&collect(db.read_all(&named).await?).await?), first);
    let newest = ReadAllOptions::default().backwards().position(StreamPosition::End).max_count(1);
    assert_eq!(collect(db.read_all(&newest).await?).await?.len(), 1);
    said("read everything, forward, backward and filtered by type and stream");

    let filter = || SubscriptionFilter::on_stream_name().add_prefix(stream.as_str());
    let options = SubscribeToAllOptions::default()
        .position(StreamPosition::Start)
        .filter(filter())
        .retry_options(RetryOptions::default().retry_forever());
    let mut subscription = db.subscribe_to_all(&options).await;
    let mut seen = Vec::new();
    while seen.len() < 6 {
        seen.push(subscription.next().await?);
    }
    assert_eq!(ids(&seen), first);
    let (live, event_live) = event(6);
    db.append_to_stream(stream.as_str(), &state(5), event_live).await?;
    assert_eq!(subscription.next().await?.get_original_event().id, live);
    said("a subscription caught up and went live");

    restart()?;
    let (later, event_later) = event(7);
    let mut left = 40;
    while let Err(error) =
        db.append_to_stream(stream.as_str(), &state(6), event_later.clone()).await
    {
        // The first calls after a restart may still meet the old connection.
        left -= 1;
        if left == 0 {
            return Err(error.into());
        }
    }
    // The subscription reconnects by itself and goes on where it was: no event twice.
    assert_eq!(subscription.next().await?.get_original_event().id, later);
    let position: Position = seen[5].get_original_event().position;
    let options = SubscribeToAllOptions::default()
        .position(StreamPosition::Position(position))
        .filter(filter());
    let mut resumed = db.subscribe_to_all(&options).await;
    let two = [resumed.next().await?, resumed.next().await?];
    assert_eq!(ids(&two), [live, later]);
    let options = SubscribeToStreamOptions::default().start_from(StreamPosition::Position(6));
    let mut of_stream = db.subscribe_to_stream(stream.as_str(), &options).await;
    assert_eq!(of_stream.next().await?.get_original_event().id, later);
    said("resumed both subscriptions after a restart of the server");

    let options = PersistentSubscriptionOptions::default().start_from(StreamPosition::Start);
    db.create_persistent_subscription(stream.as_str(), "rust", &options).await?;
    let mut consumer = db
        .subscribe_to_persistent_subscription(stream.as_str(), "rust", &Default::default())
        .await?;
    let expected: Vec<Uuid> = first.iter().copied().chain([live, later]).collect();
    for id in &expected {
        let event = consumer.next().await?;
        assert_eq!(event.get_original_event().id, *id);
        if *id == expected[2] {
            consumer.nack(&event, NakAction::Park, "cannot").await?;
        } else {
            consumer.ack(&event).await?;
        }
    }
    let asked = GetPersistentSubscriptionInfoOptions::default();
    let info = || db.get_persistent_subscription_info(stream.as_str(), "rust", &asked);
    let mut left = 10_000;
    while info().await?.stats.parked_message_count != 1 {
        left -= 1;
        assert!(left > 0, "nothing was parked");
    }
    let options = ReplayParkedMessagesOptions::default();
    db.replay_parked_messages(stream.as_str(), "rust", &options).await?;
    let again = consumer.next().await?;
    assert_eq!(again.get_original_event().id, expected[2]);
    consumer.ack(&again).await?;
    let listed = db.list_all_persistent_subscriptions(&Default::default()).await?;
    assert!(listed.iter().any(|it| it.group_name == "rust"));
    let options = DeletePersistentSubscriptionOptions::default();
    db.delete_persistent_subscription(stream.as_str(), "rust", &options).await?;
    assert!(matches!(info().await, Err(Error::ResourceNotFound)));
    said("a persistent subscription delivered, parked, replayed and was removed");

    let card = format!("{stream}-card");
    let data = serde_json::json!({ "note": "card 4111 1111 1111 1111", "number": 7 });
    let event = EventData::json("Noted", &data)?.id(Uuid::new_v4());
    db.append_to_stream(card.as_str(), &Default::default(), event).await?;
    let options = ReadStreamOptions::default().max_count(1);
    let found = collect(db.read_stream(card.as_str(), &options).await?).await?;
    let found: serde_json::Value = found[0].get_original_event().as_json()?;
    assert!(!found["note"].as_str().ok_or("no text")?.contains("1111"), "{found}");
    assert_eq!(found["number"], 7);
    said("a card number in a text was not stored");

    let options = ReadStreamOptions::default().backwards().position(StreamPosition::End);
    let reads = db.read_stream(format!("access-{user}"), &options.max_count(2)).await?;
    let mut reads = collect(reads).await?;
    let read: serde_json::Value = reads.remove(1).get_original_event().as_json()?;
    assert_eq!((&read["stream"], &read["kind"]), (&card.into(), &"read".into()), "{read}");
    said("every read is an event");
    println!("done");
    Ok(())
}
