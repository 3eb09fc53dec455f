//! What a [`Carrier`] has to keep for a mirror to stand on it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;

use super::{Outcome, Report, Verdict, ensure};
use crate::capability::ConcurrencyControl;
use crate::engine::{Carried, Carrier, CarrierError, Offset};

/// How long a case waits for an entry that must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes carriers.
#[async_trait]
pub trait CarrierSubject: Send {
    /// Its name in the report.
    fn name(&self) -> String;

    /// A carrier without entries.
    ///
    /// # Errors
    /// Why there is none; the case fails then.
    async fn fresh(&mut self) -> Result<Arc<dyn Carrier>, String>;

    /// Another connection to the last carrier.
    ///
    /// # Errors
    /// Why there is none; the case fails then.
    async fn again(&mut self) -> Result<Arc<dyn Carrier>, String>;
}

/// Runs every case.
pub async fn run(subject: &mut dyn CarrierSubject) -> Report {
    let mut report = Report { name: subject.name(), cases: Vec::new() };
    let mut note = |name, verdict: Result<Outcome, String>| {
        report.cases.push((name, verdict.unwrap_or_else(Outcome::Failed)));
    };
    note("entries keep their order", passed(order(subject).await));
    note("following goes on", passed(following(subject).await));
    note("two connections", passed(two_connections(subject).await));
    note("long entries", passed(long_entries(subject).await));
    note("the expected place", expected_place(subject).await);
    report
}

fn passed(verdict: Verdict) -> Result<Outcome, String> {
    verdict.map(|()| Outcome::Passed)
}

fn words(error: CarrierError) -> String {
    error.to_string()
}

fn entry(number: usize) -> Bytes {
    format!("entry {number}").into()
}

async fn read(carrier: &dyn Carrier, from: u64, count: usize) -> Result<Vec<Carried>, String> {
    let reading = carrier.follow(Offset(from)).take(count).collect::<Vec<_>>();
    let read = tokio::time::timeout(PATIENCE, reading)
        .await
        .map_err(|_| format!("{count} entries from {from} on did not come"))?;
    read.into_iter().collect::<Result<_, _>>().map_err(words)
}

fn check(read: &[Carried], from: u64, wanted: impl Iterator<Item = Bytes>) -> Verdict {
    for ((carried, offset), entry) in read.iter().zip(from..).zip(wanted) {
        ensure!(carried.offset == Offset(offset), "{} where {offset} was next", carried.offset);
        ensure!(carried.entry == entry, "{:?}, not {entry:?}", carried.entry);
    }
    Ok(())
}

async fn append(carrier: &dyn Carrier, entries: Vec<Bytes>) -> Verdict {
    let at = carrier.end().await.map_err(words)?;
    carrier.append(entries, at).await.map_err(words)
}

async fn order(subject: &mut dyn CarrierSubject) -> Verdict {
    let carrier = subject.fresh().await?;
    let end = carrier.end().await.map_err(words)?;
    ensure!(end == Offset(0), "a fresh carrier ends at {end}");
    append(&*carrier, vec![entry(0)]).await?;
    append(&*carrier, (1..50).map(entry).collect()).await?;
    append(&*carrier, vec![entry(50)]).await?;
    let end = carrier.end().await.map_err(words)?;
    ensure!(end == Offset(51), "after 51 entries it ends at {end}");
    check(&read(&*carrier, 0, 51).await?, 0, (0..51).map(entry))?;
    check(&read(&*carrier, 20, 31).await?, 20, (20..51).map(entry))
}

async fn following(subject: &mut dyn CarrierSubject) -> Verdict {
    let carrier = subject.fresh().await?;
    let mut entries = carrier.follow(Offset(0));
    for number in 0..30 {
        append(&*carrier, vec![entry(number)]).await?;
        let next = tokio::time::timeout(PATIENCE, entries.next()).await;
        let carried = next
            .map_err(|_| format!("entry {number} did not come"))?
            .ok_or("following ended")?
            .map_err(words)?;
        check(&[carried], number as u64, [entry(number)].into_iter())?;
    }
    Ok(())
}

async fn two_connections(subject: &mut dyn CarrierSubject) -> Verdict {
    let one = subject.fresh().await?;
    let other = subject.again().await?;
    for number in 0..10 {
        let carrier = if number % 2 == 0 { &one } else { &other };
        append(&**carrier, vec![entry(number)]).await?;
    }
    let (here, there) = (read(&*one, 0, 10).await?, read(&*other, 0, 10).await?);
    ensure!(here == there, "two connections read different entries");
    check(&here, 0, (0..10).map(entry))
}

async fn long_entries(subject: &mut dyn CarrierSubject) -> Verdict {
    let carrier = subject.fresh().await?;
    let longest = carrier.entry_bytes_max();
    ensure!(carrier.append_bytes_max() >= longest, "an append takes less than an entry");
    let long = |number: usize| Bytes::from(vec![u8::try_from(number).unwrap_or(255); longest]);
    for number in 0..3 {
        append(&*carrier, vec![long(number)]).await?;
    }
    let half = |number: usize| long(number).slice(..longest / 2);
    let fits = (carrier.append_bytes_max() / half(0).len().max(1)).min(8);
    append(&*carrier, (3..3 + fits).map(half).collect()).await?;
    let wanted = (0..3).map(long).chain((3..3 + fits).map(half));
    check(&read(&*carrier, 0, 3 + fits).await?, 0, wanted)
}

async fn expected_place(subject: &mut dyn CarrierSubject) -> Result<Outcome, String> {
    let one = subject.fresh().await?;
    if one.capabilities().concurrency != ConcurrencyControl::Native {
        return Ok(Outcome::Skipped("the engine has no concurrency control of its own"));
    }
    let other = subject.again().await?;
    one.append(vec![entry(0), entry(1)], Offset(0)).await.map_err(words)?;
    for at in [0, 1, 3] {
        let refused = other.append(vec![entry(9), entry(10)], Offset(at)).await;
        ensure!(
            refused == Err(CarrierError::Moved { end: Offset(2) }),
            "an append at {at} where 2 was next: {refused:?}"
        );
    }
    other.append(vec![entry(2)], Offset(2)).await.map_err(words)?;
    let end = one.end().await.map_err(words)?;
    ensure!(end == Offset(3), "refused appends left something: {end}");
    check(&read(&*one, 0, 3).await?, 0, (0..3).map(entry))?;
    Ok(Outcome::Passed)
}
