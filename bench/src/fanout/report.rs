//! What the frames say.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Failure;
use super::load::Appended;
use super::settings::Settings;
use super::watchers::Arrived;

/// What a measurement found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Frames with changes.
    pub frames: u64,
    /// Bytes of all frames.
    pub bytes: u64,
    /// Messages that were lost.
    pub lost: u64,
    /// How old the newest change of a frame was when it came, ms, ascending.
    pub newest_ms: Vec<f64>,
    /// How old each event of a frame was when it came, ms, ascending.
    pub each_ms: Vec<f64>,
}

/// Reads the lines of the subscribers' process.
///
/// # Errors
/// When a line is not one of them.
pub fn parse(text: &str) -> Result<Vec<Arrived>, Failure> {
    text.lines()
        .map(|line| {
            let numbers: Result<Vec<u64>, _> = line.split(' ').map(str::parse).collect();
            match numbers?.as_slice() {
                &[subscriber, bytes, from, to, at_us] => Ok(Arrived {
                    subscriber: u32::try_from(subscriber)?,
                    bytes: u32::try_from(bytes)?,
                    from,
                    to,
                    at_us,
                }),
                _ => Err(format!("not a frame: {line}").into()),
            }
        })
        .collect()
}

/// Counts, and checks that no subscriber has a gap or a position twice.
///
/// # Errors
/// Naming the subscriber and the positions.
pub fn found(
    arrived: &[Arrived],
    appended: &Appended,
    settings: &Settings,
) -> Result<Found, Failure> {
    let mut found = Found::default();
    let mut ended: BTreeMap<u32, u64> = BTreeMap::new();
    // Events of an append share a time; positions are without gap.
    let first = appended.first().map_or(0, |it| it.0);
    let at = |position: u64| {
        let index = appended.partition_point(|(last, _)| *last < position);
        appended.get(index).map(|(_, at)| *at)
    };
    for it in arrived {
        found.bytes += u64::from(it.bytes);
        if it.at_us == 0 {
            found.lost += it.to;
            continue;
        }
        if !settings.naive {
            let before = ended.insert(it.subscriber, it.to);
            let goes_on = match before {
                Some(before) if it.from == u64::MAX => it.to >= before,
                Some(before) => it.from == before && it.to > before,
                None => true,
            };
            if !goes_on {
                return Err(format!("a gap or an overlap: {it:?} after {before:?}").into());
            }
        }
        if it.from == u64::MAX {
            continue;
        }
        found.frames += 1;
        let age = |position: u64| {
            at(position).map(|appended| it.at_us.saturating_sub(appended) as f64 / 1e3)
        };
        if it.to >= first
            && let Some(age) = age(it.to)
        {
            found.newest_ms.push(age);
        }
        // One of each append is enough: the others of it have its age.
        let mut position = it.to;
        while position > it.from.max(first) {
            found.each_ms.extend(age(position));
            position = position.saturating_sub(4);
        }
    }
    found.newest_ms.sort_by(f64::total_cmp);
    found.each_ms.sort_by(f64::total_cmp);
    if !settings.naive && ended.len() < usize::try_from(settings.subscribers)? {
        let silent = settings.subscribers - u32::try_from(ended.len())?;
        return Err(format!("{silent} subscribers got nothing").into());
    }
    Ok(found)
}

fn percentile(sorted: &[f64], part: f64) -> f64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let index = ((sorted.len() as f64 * part).ceil() as usize).saturating_sub(1);
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// The head of the table.
pub const HEAD: &str = "\
| subscribers (slow) | push | Hz | events/s | frames/s | kB/s | newest change, ms: p50 | p99 | each event, ms: p50 | p99 | most | lost | cores | kB a subscriber |
|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|";

/// A line of the table.
#[must_use]
pub fn line(settings: &Settings, found: &Found, cores: f64, kb_each: f64) -> String {
    let mut text = String::new();
    let seconds = settings.seconds as f64;
    let push = if settings.naive { "broadcast" } else { &settings.dataset };
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "| {} ({}) | {push} | {} | {} | {:.0} | {:.0} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {} | {cores:.2} | {kb_each:.1} |",
        settings.subscribers,
        settings.slow,
        settings.hz,
        settings.rate,
        found.frames as f64 / seconds,
        found.bytes as f64 / seconds / 1e3,
        percentile(&found.newest_ms, 0.5),
        percentile(&found.newest_ms, 0.99),
        percentile(&found.each_ms, 0.5),
        percentile(&found.each_ms, 0.99),
        percentile(&found.each_ms, 1.0),
        found.lost,
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(from: u64, to: u64, at_us: u64) -> Arrived {
        Arrived { subscriber: 0, bytes: 100, from, to, at_us }
    }

    #[test]
    fn ages_are_those_of_the_append() -> Result<(), Failure> {
        let settings = Settings { subscribers: 1, ..Settings::default() };
        let appended = vec![(8, 1_000), (12, 2_000)];
        let frames = [frame(4, 12, 5_000), frame(u64::MAX, 12, 6_000), frame(12, 16, 7_000)];
        let found = found(&frames, &appended, &settings)?;
        assert_eq!((found.frames, found.newest_ms), (2, vec![3.0]));
        assert_eq!(found.each_ms, [3.0], "8 was appended before anything was measured");
        Ok(())
    }

    #[test]
    fn a_gap_is_found() {
        let settings = Settings { subscribers: 1, ..Settings::default() };
        for second in [frame(13, 16, 7_000), frame(11, 16, 7_000), frame(u64::MAX, 11, 7_000)] {
            let frames = [frame(4, 12, 5_000), second];
            assert!(found(&frames, &vec![(12, 0)], &settings).is_err(), "{second:?}");
        }
        assert!(found(&[], &vec![(12, 0)], &settings).is_err(), "nothing came");
    }
}
