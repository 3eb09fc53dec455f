//! Cases about what an append does and what it is refused for.

use ledgerline_schemas::limits::{APPEND_EVENTS_MAX, EVENT_PAYLOAD_BYTES_MAX};
use ledgerline_schemas::{Position, StreamId, Version};

use super::sample::{event, expecting, must, of, put};
use super::{Log, Verdict, ensure};
use crate::log::{Append, AppendError, Direction, Expected, Filter};

pub(super) async fn positions_and_versions(log: &Log) -> Verdict {
    ensure!(log.head() == Position::START, "a fresh log is at {}", log.head());
    let one = must(log, of(vec![event(0, "a"), event(1, "b"), event(2, "a")])).await?;
    ensure!((one.first, one.last) == (Position(1), Position(3)), "{one:?}");
    ensure!(one.versions == [Version(0), Version(0), Version(1)], "{one:?}");
    ensure!(!one.duplicate && log.head() == Position(3), "{one:?}, head {}", log.head());
    let two = must(log, of(vec![event(3, "b")])).await?;
    ensure!((two.first, two.versions.as_slice()) == (Position(4), &[Version(1)][..]), "{two:?}");
    ensure!(two.recorded_at >= one.recorded_at, "time goes back: {one:?}, {two:?}");
    let heads = ["a", "b", "c"].map(|stream| log.stream_head(&StreamId::new(stream)).ok());
    let wanted = [Some(Some(Version(1))), Some(Some(Version(1))), Some(None)];
    ensure!(heads == wanted, "stream heads are {heads:?}");
    // Appends are durable in the order of the calls.
    let submit = |number| log.submit(of(vec![event(number, "c")]));
    let (first, second) = (submit(4), submit(5));
    let (first, second) = match (first, second) {
        (Ok(first), Ok(second)) => (first, second),
        other => return Err(format!("appends were not taken: {other:?}")),
    };
    second.await.map_err(|error| error.to_string())?;
    ensure!(log.head() == Position(6), "the first of two is not durable: {}", log.head());
    first.await.map(|_| ()).map_err(|error| error.to_string())
}

pub(super) async fn expected_versions(log: &Log) -> Verdict {
    must(log, of(vec![event(0, "there"), event(1, "there")])).await?;
    let cases = [
        ("there", Expected::Any, true),
        ("there", Expected::NoStream, false),
        ("there", Expected::Exists, true),
        ("there", Expected::Exact(Version(0)), false),
        ("there", Expected::Exact(Version(1)), true),
        ("there", Expected::Exact(Version(2)), false),
        ("nowhere", Expected::Any, true),
        ("nowhere", Expected::NoStream, true),
        ("nowhere", Expected::Exists, false),
        ("nowhere", Expected::Exact(Version(0)), false),
    ];
    for (number, (stream, expected, taken)) in (10..).zip(cases) {
        let head = log.head();
        let outcome = put(log, expecting(vec![event(number, "other")], stream, expected)).await;
        match outcome {
            Ok(_) if taken => {}
            Err(AppendError::WrongExpected { actual, .. }) if !taken => {
                let wanted = (stream == "there").then_some(Version(1));
                ensure!(actual == wanted, "{stream} is said to be at {actual:?}");
                ensure!(log.head() == head, "a refused append moved the head");
            }
            other => return Err(format!("{stream} expected {expected:?}: {other:?}")),
        }
    }
    Ok(())
}

pub(super) async fn repeated_ids(log: &Log) -> Verdict {
    let whole = of(vec![event(0, "a"), event(1, "b")]);
    let first = must(log, whole.clone()).await?;
    must(log, of(vec![event(2, "a")])).await?;
    let again = must(log, whole.clone()).await?;
    ensure!(again.duplicate, "a repetition counts as new: {again:?}");
    ensure!(
        (again.first, again.last, &again.versions) == (first.first, first.last, &first.versions),
        "{first:?} became {again:?}"
    );
    ensure!(again.recorded_at == first.recorded_at, "{first:?} became {again:?}");
    // A repetition is answered whatever it expects now.
    let late = must(log, expecting(whole.events, "a", Expected::NoStream)).await?;
    ensure!(late.duplicate, "a repetition with an old expectation counts as new");
    let partial = put(log, of(vec![event(1, "b"), event(9, "b")])).await;
    ensure!(
        matches!(partial, Err(AppendError::PartialDuplicate { .. })),
        "a partial repetition: {partial:?}"
    );
    let turned = put(log, of(vec![event(1, "b"), event(0, "a")])).await;
    ensure!(
        matches!(turned, Err(AppendError::PartialDuplicate { .. })),
        "a repetition in another order: {turned:?}"
    );
    for (number, at) in [(0, Some(1)), (1, Some(2)), (2, Some(3)), (9, None)] {
        let found = log.find_event(event(number, "a").id).map_err(|error| error.to_string())?;
        ensure!(found == at.map(Position), "event {number} is found at {found:?}, not {at:?}");
    }
    ensure!(log.head() == Position(3), "repetitions moved the head to {}", log.head());
    Ok(())
}

pub(super) async fn all_or_nothing(log: &Log) -> Verdict {
    must(log, of(vec![event(0, "a")])).await?;
    let two = Append {
        events: vec![event(1, "a"), event(2, "b")],
        expected: vec![
            (StreamId::new("a"), Expected::Exact(Version(0))),
            (StreamId::new("c"), Expected::Exists),
        ],
    };
    let refused = put(log, two.clone()).await;
    ensure!(matches!(refused, Err(AppendError::WrongExpected { .. })), "{refused:?}");
    ensure!(log.head() == Position(1), "a refused append left something");
    must(log, of(vec![event(3, "c")])).await?;
    let taken = must(log, two).await?;
    ensure!((taken.first, taken.last) == (Position(3), Position(4)), "{taken:?}");
    Ok(())
}

pub(super) async fn limits(log: &Log) -> Verdict {
    let long = |bytes: usize| {
        let mut long = event(1, "a");
        long.payload = vec![7; bytes];
        of(vec![long])
    };
    let empty = put(log, of(Vec::new())).await;
    ensure!(matches!(empty, Err(AppendError::Invalid { .. })), "an empty append: {empty:?}");
    let twice = put(log, of(vec![event(1, "a"), event(1, "a")])).await;
    ensure!(matches!(twice, Err(AppendError::Invalid { .. })), "an id twice: {twice:?}");
    let name = put(log, of(vec![event(1, "Not A Name")])).await;
    ensure!(matches!(name, Err(AppendError::Invalid { .. })), "a bad name: {name:?}");
    let payload = put(log, long(EVENT_PAYLOAD_BYTES_MAX + 1)).await;
    ensure!(matches!(payload, Err(AppendError::TooLarge { .. })), "a long payload: {payload:?}");
    let many = (0..=APPEND_EVENTS_MAX as u64).map(|number| event(number, "a")).collect();
    let many = put(log, of(many)).await;
    ensure!(matches!(many, Err(AppendError::TooLarge { .. })), "many events: {many:?}");
    ensure!(log.head() == Position::START, "a refused append left something");
    must(log, long(EVENT_PAYLOAD_BYTES_MAX)).await.map(|_| ())
}

pub(super) async fn long_appends(log: &Log) -> Verdict {
    let big: Vec<_> = (0..12)
        .map(|number| {
            let mut event = event(number, if number % 2 == 0 { "a" } else { "b" });
            event.payload =
                (0..EVENT_PAYLOAD_BYTES_MAX).map(|at| (at as u64 + number) as u8).collect();
            event
        })
        .collect();
    let many: Vec<_> =
        (100..100 + APPEND_EVENTS_MAX as u64).map(|number| event(number, "c")).collect();
    must(log, of(big.clone())).await?;
    must(log, of(many.clone())).await?;
    must(log, of(vec![event(50, "a")])).await?;
    let page = log
        .read_all(Position::START, Direction::Forward, &Filter::all(), usize::MAX)
        .map_err(|error| error.to_string())?;
    let wanted = big.iter().chain(&many).map(|event| (event.id, &event.payload));
    let found = page.events.iter().map(|event| (event.header.id, &event.payload));
    ensure!(found.take(big.len() + many.len()).eq(wanted), "long appends came back changed");
    ensure!(page.events.len() == big.len() + many.len() + 1, "{} events", page.events.len());
    Ok(())
}
