//! Cases about reading.

use ledgerline_schemas::{Position, Recorded, StreamId, Version};

use super::sample::{event, fill, must, of};
use super::{Log, Verdict, ensure};
use crate::log::{Direction, Filter};

fn positions(events: &[Recorded]) -> Vec<u64> {
    events.iter().map(|event| event.header.position.0).collect()
}

pub(super) async fn everything_is_kept(log: &Log) -> Verdict {
    let sent: Vec<_> =
        (0..120).map(|number| event(number, &format!("agent-{}", number % 4))).collect();
    let mut appended = Vec::new();
    for some in sent.chunks(7) {
        appended.push(must(log, of(some.to_vec())).await?);
    }
    let mut at = appended
        .iter()
        .flat_map(|append| append.versions.iter().map(move |version| (append, version)));
    let mut count = 0;
    for (event, (sent, position)) in log.scan(Position::START).zip(sent.iter().zip(1..)) {
        let event = event.map_err(|error| error.to_string())?;
        let header = &event.header;
        let (append, version) = at.next().ok_or("more events than were appended")?;
        let same = header.id == sent.id
            && header.stream == sent.stream
            && header.event_type == sent.event_type
            && header.time == sent.time
            && header.command_id == sent.command_id
            && header.correlation_id == sent.correlation_id
            && header.causation_id == sent.causation_id
            && header.actor == sent.actor
            && header.config_position == sent.config_position
            && header.traceparent == sent.traceparent
            && header.data_subject_id == sent.data_subject_id
            && event.payload == sent.payload;
        ensure!(same, "{sent:?} came back as {event:?}");
        ensure!(header.position == Position(position), "position {position}: {header:?}");
        ensure!(header.version == *version, "version {version}: {header:?}");
        ensure!(header.recorded_at == append.recorded_at, "{append:?}: {header:?}");
        ensure!(header.org_id == log.org_id(), "another organization: {header:?}");
        count += 1;
    }
    ensure!(count == sent.len(), "{count} of {} events came back", sent.len());
    let rest = log.scan(Position(100)).count();
    ensure!(rest == 20, "{rest} events after position 100");
    Ok(())
}

pub(super) async fn streams(log: &Log) -> Verdict {
    fill(log, 30).await?;
    let stream = StreamId::new("interaction-2");
    let read = |from, direction, max| {
        let read = log.read_stream(&stream, Version(from), direction, max);
        read.map(|events| positions(&events)).map_err(|error| error.to_string())
    };
    use Direction::{Backward, Forward};
    let of = |versions: &[u64]| versions.iter().map(|it| it * 3 + 2).collect::<Vec<u64>>();
    let cases = [
        (0, Forward, 100, of(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9])),
        (3, Forward, 2, of(&[3, 4])),
        (9, Forward, 5, of(&[9])),
        (10, Forward, 5, vec![]),
        (0, Forward, 0, vec![]),
        (4, Backward, 2, of(&[4, 3])),
        (1, Backward, 9, of(&[1, 0])),
        (u64::MAX, Backward, 1, of(&[9])),
        (0, Backward, 5, of(&[0])),
    ];
    for (from, direction, max, wanted) in cases {
        let found = read(from, direction, max)?;
        ensure!(found == wanted, "{direction:?} from {from}, {max}: {found:?}, not {wanted:?}");
    }
    let none = log.read_stream(&StreamId::new("nowhere"), Version(0), Forward, 9);
    ensure!(none.is_ok_and(|none| none.is_empty()), "a stream without events has some");
    Ok(())
}

pub(super) async fn all(log: &Log) -> Verdict {
    fill(log, 20).await?;
    use Direction::{Backward, Forward};
    let cases: [(u64, Direction, usize, Vec<u64>, u64); 9] = [
        (0, Forward, 100, (1..=20).collect(), 20),
        (0, Forward, 5, (1..=5).collect(), 5),
        (4, Forward, 3, vec![5, 6, 7], 7),
        (20, Forward, 3, vec![], 20),
        (0, Forward, 0, vec![], 0),
        (20, Backward, 3, vec![20, 19, 18], 17),
        (u64::MAX, Backward, 1, vec![20], 19),
        (2, Backward, 9, vec![2, 1], 0),
        (0, Backward, 9, vec![], 0),
    ];
    for (from, direction, max, wanted, until) in cases {
        let page = log
            .read_all(Position(from), direction, &Filter::all(), max)
            .map_err(|error| error.to_string())?;
        let found = positions(&page.events);
        ensure!(found == wanted, "{direction:?} from {from}, {max}: {found:?}, not {wanted:?}");
        ensure!(
            max == 0 || page.scanned_to == Position(until),
            "{direction:?} from {from}, {max}: looked up to {}, not {until}",
            page.scanned_to
        );
    }
    Ok(())
}

pub(super) async fn filters(log: &Log) -> Verdict {
    let sent = fill(log, 40).await?;
    let filter = |streams: &[&str], types: &[&str]| Filter {
        stream_prefixes: streams.iter().map(|&it| it.to_owned()).collect(),
        type_prefixes: types.iter().map(|&it| it.to_owned()).collect(),
    };
    let filters = [
        filter(&[], &[]),
        filter(&["interaction-"], &[]),
        filter(&["agent-", "interaction-2"], &[]),
        filter(&[], &["queue."]),
        filter(&["agent-"], &["agent.", "queue.left"]),
        filter(&["nobody"], &[]),
    ];
    for filter in &filters {
        let wanted: Vec<u64> = sent
            .iter()
            .zip(1..)
            .filter(|(event, _)| filter.passes(event.stream.as_str(), &event.event_type))
            .map(|(_, position)| position)
            .collect();
        for direction in [Direction::Forward, Direction::Backward] {
            let forward = direction == Direction::Forward;
            let mut found = Vec::new();
            let mut from = if forward { Position::START } else { log.head() };
            // Page by page, as a reader does that remembers `scanned_to`.
            for _ in 0..=sent.len() {
                let page =
                    log.read_all(from, direction, filter, 3).map_err(|error| error.to_string())?;
                found.extend(positions(&page.events));
                from = page.scanned_to;
                let end = if forward { log.head() } else { Position::START };
                if from == end {
                    break;
                }
            }
            if !forward {
                found.reverse();
            }
            ensure!(found == wanted, "{filter:?} {direction:?}: {found:?}, not {wanted:?}");
        }
    }
    Ok(())
}
