//! What the carrier has to do on a real cluster. Each says what it saw.

use std::time::{Duration, Instant};

use bytes::Bytes;
use fluvio::metadata::topic::TopicSpec;
use futures::StreamExt as _;
use ledgerline_event_store::engine::fluvio::{Config, FluvioCarrier};
use ledgerline_event_store::engine::{Carried, Carrier, CarrierError, Offset};

use super::{Cluster, Outcome, text};

/// How long a follower may be silent before a scenario has failed.
const SILENCE: Duration = Duration::from_secs(60);

pub(crate) fn entry(number: u64, bytes: usize) -> Bytes {
    let mut entry = number.to_be_bytes().to_vec();
    entry.resize(bytes.max(8), u8::try_from(number % 251).unwrap_or(0));
    entry.into()
}

fn number(carried: &Carried) -> Outcome<u64> {
    let head = carried.entry.first_chunk().ok_or("an entry of fewer than 8 bytes")?;
    Ok(u64::from_be_bytes(*head))
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Outcome<()> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// Entries from a place up to the end there is now, each offset once and in order.
pub(crate) async fn read(carrier: &FluvioCarrier, from: u64) -> Outcome<Vec<Carried>> {
    let end = carrier.end().await.map_err(text)?;
    let mut found = Vec::new();
    let mut follower = carrier.follow(Offset(from));
    for offset in from..end.0 {
        let next = tokio::time::timeout(SILENCE, follower.next()).await;
        let carried = next.map_err(|_| format!("nothing comes at {offset} of {end}"))?;
        let carried = carried.ok_or("the follower ended")?.map_err(text)?;
        ensure(carried.offset == Offset(offset), || {
            format!("{} came where {offset} was due", carried.offset)
        })?;
        found.push(carried);
    }
    Ok(found)
}

/// Entries come back as they were appended, over many batches and segments.
pub(crate) async fn come_back(cluster: &mut Cluster) -> Outcome<String> {
    let config = Config { segment_bytes: 4 << 20, ..cluster.config("come-back") };
    let carrier = FluvioCarrier::open(config).await.map_err(text)?;
    ensure(carrier.end().await == Ok(Offset(0)), || "a new topic does not begin at 0".into())?;
    let largest = carrier.entry_bytes_max();
    // 24 MiB of the longest entries there are, then 6 MiB of short ones: 8 segments.
    let mut entries: Vec<Bytes> = (0..24).map(|it| entry(it, largest)).collect();
    entries.push(Bytes::new());
    entries.extend((24..24_024).map(|it| entry(it, 256)));
    for group in entries.chunks(5_000) {
        carrier.append(group.to_vec(), Offset(0)).await.map_err(text)?;
    }
    let found = read(&carrier, 0).await?;
    ensure(found.len() == entries.len(), || format!("{} of {}", found.len(), entries.len()))?;
    for (carried, entry) in found.iter().zip(&entries) {
        ensure(carried.entry == *entry, || format!("another entry at {}", carried.offset))?;
    }
    let middle = read(&carrier, 20_000).await?;
    ensure(middle.len() == entries.len() - 20_000, || "a start in the middle".into())?;
    let refused = carrier.append(vec![entry(0, largest + 1)], Offset(0)).await;
    ensure(matches!(refused, Err(CarrierError::Refused { .. })), || format!("{refused:?}"))?;
    let lost = carrier.follow(Offset(entries.len() as u64 + 1)).next().await;
    ensure(matches!(lost, Some(Err(CarrierError::Refused { .. }))), || {
        format!("a place behind the end: {lost:?}")
    })?;
    Ok(format!("{} entries, the longest {largest} bytes, in segments of 4 MiB", entries.len()))
}

/// Two writers and a live follower: each writer's entries stay in their order, nobody's are lost.
pub(crate) async fn two_writers(cluster: &mut Cluster) -> Outcome<String> {
    let (one, two) = (cluster.open("two-writers").await?, cluster.open("two-writers").await?);
    let mut follower = one.follow(Offset(0));
    let write = |carrier: FluvioCarrier, first: u64| async move {
        for group in 0..100 {
            let entries = (0..7).map(|it| entry(first + group * 7 + it, 100)).collect();
            carrier.append(entries, Offset(0)).await.map_err(text)?;
        }
        Ok::<(), String>(())
    };
    let reading = async {
        let mut last = [None, None];
        let mut changes = 0;
        let mut writer_before = 0;
        for offset in 0..1_400 {
            let next = tokio::time::timeout(SILENCE, follower.next()).await.map_err(text)?;
            let carried = next.ok_or("the follower ended")?.map_err(text)?;
            ensure(carried.offset == Offset(offset), || format!("a skip at {offset}"))?;
            let number = number(&carried)?;
            let writer = usize::from(number >= 1_000_000);
            let slot = last.get_mut(writer).ok_or("no such writer")?;
            ensure(*slot < Some(number), || format!("{number} behind {slot:?}"))?;
            *slot = Some(number);
            changes += usize::from(writer != writer_before);
            writer_before = writer;
        }
        ensure(last == [Some(699), Some(1_000_699)], || format!("{last:?}"))?;
        Ok::<usize, String>(changes)
    };
    let (a, b, changes) = tokio::join!(write(one.clone(), 0), write(two, 1_000_000), reading);
    a?;
    b?;
    Ok(format!("1,400 entries, the writer changed {} times", changes?))
}

/// A topic that would lose records is refused, with the setting named, and no topic is made in its place.
pub(crate) async fn retention_refused(cluster: &mut Cluster) -> Outcome<String> {
    cluster.make_topic("seven-days", TopicSpec::new_computed(1, 1, None)).await?;
    let refused = FluvioCarrier::open(cluster.config("seven-days")).await;
    let Err(CarrierError::Refused { reason }) = refused else {
        return Err(format!("a topic with Fluvio's default retention was taken: {refused:?}"));
    };
    ensure(reason.contains("retention"), || reason.clone())?;
    let absent = Config { create: false, ..cluster.config("absent") };
    let refused = FluvioCarrier::open(absent).await;
    ensure(matches!(refused, Err(CarrierError::Refused { .. })), || format!("{refused:?}"))?;
    Ok(format!("\"{reason}\""))
}

/// The SPU is killed (`kill -9`) in the middle of appends and started again, several times.
pub(crate) async fn spu_killed(cluster: &mut Cluster, kills: u32) -> Outcome<String> {
    let config = Config { timeout: Duration::from_secs(3), ..cluster.config("spu-killed") };
    let carrier = FluvioCarrier::open(config).await.map_err(text)?;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let (reached, mut progress) = tokio::sync::watch::channel(0_u64);
    let writing = tokio::spawn({
        let carrier = carrier.clone();
        async move {
            let (mut acknowledged, mut unknown) = (0_u64, 0_u64);
            while !*stopped.borrow() {
                // The same entry until it is acknowledged, as a caller does.
                match carrier.append(vec![entry(acknowledged, 200)], Offset(0)).await {
                    Ok(()) => {
                        acknowledged += 1;
                        reached.send_replace(acknowledged);
                    }
                    Err(CarrierError::Unavailable { .. }) => unknown += 1,
                    Err(other) => return Err(other.to_string()),
                }
            }
            Ok((acknowledged, unknown))
        }
    });
    let mut longest = Duration::ZERO;
    for _ in 0..kills {
        let at = *progress.borrow_and_update();
        progress.wait_for(|it| *it >= at + 200).await.map_err(text)?;
        cluster.kill_spu()?;
        let down = Instant::now();
        cluster.start_spu()?;
        let at = *progress.borrow_and_update();
        let going = progress.wait_for(|it| *it > at + 1);
        tokio::time::timeout(SILENCE, going).await.map_err(text)?.map_err(text)?;
        longest = longest.max(down.elapsed());
    }
    stop.send_replace(true);
    let (acknowledged, unknown) = writing.await.map_err(text)??;
    let mut next = 0;
    let mut doubled = 0;
    for carried in read(&carrier, 0).await? {
        match number(&carried)? {
            it if it == next => next += 1,
            it if it < next => doubled += 1,
            it => return Err(format!("{it} came where {next} was due: an entry is lost")),
        }
    }
    ensure(next >= acknowledged, || format!("{next} of {acknowledged} acknowledged are there"))?;
    Ok(format!(
        "{kills} kills, {acknowledged} entries acknowledged, all there, in order; {unknown} appends \
         without an answer, {doubled} entries doubled by repeating them; writing again after {:.1} s \
         at most",
        longest.as_secs_f64()
    ))
}

/// The controller is killed and started again: a writer goes on, and a new one connects.
pub(crate) async fn controller_killed(cluster: &mut Cluster) -> Outcome<String> {
    let carrier = cluster.open("sc-killed").await?;
    carrier.append(vec![entry(0, 100)], Offset(0)).await.map_err(text)?;
    cluster.kill_controller()?;
    let without = carrier.append(vec![entry(1, 100)], Offset(0)).await;
    let went_on = without.is_ok();
    cluster.start_controller()?;
    cluster.until_online().await?;
    if !went_on {
        carrier.append(vec![entry(1, 100)], Offset(0)).await.map_err(text)?;
    }
    let other = cluster.open("sc-killed").await?;
    other.append(vec![entry(2, 100)], Offset(0)).await.map_err(text)?;
    let mut seen: Vec<u64> =
        read(&other, 0).await?.iter().map(number).collect::<Outcome<Vec<_>>>()?;
    seen.dedup();
    ensure(seen == [0, 1, 2], || format!("{seen:?}"))?;
    let how = if went_on { "went on" } else { "had to wait" };
    Ok(format!("a living writer {how} without the controller; a new one connected after it"))
}
