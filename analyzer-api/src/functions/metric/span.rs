//! Half-open spans of time in microseconds: clipped to a window, measured together.

use datafusion::error::Result;

use crate::functions::spec::Spec;

/// Microseconds of a millisecond.
pub(super) const MILLISECOND: i64 = 1_000;

/// From an instant up to, not including, another.
pub(super) type Span = (i64, i64);

/// A window over which is measured.
///
/// # Errors
/// A bound is missing, or the end is not after the begin.
pub(super) fn window(spec: &Spec, from: Option<i64>, to: Option<i64>) -> Result<Span> {
    match (from, to) {
        (None, _) => Err(spec.wrong("from", "must not be null")),
        (_, None) => Err(spec.wrong("to", "must not be null")),
        (Some(from), Some(to)) if from >= to => Err(spec.wrong("to", "must be after from")),
        (Some(from), Some(to)) => Ok((from, to)),
    }
}

/// An interval; without an end it has not ended.
///
/// # Errors
/// It ends before it starts.
pub(super) fn interval(spec: &Spec, start: i64, end: Option<i64>) -> Result<Span> {
    match end {
        Some(end) if end < start => {
            let time = |micros| {
                crate::functions::time::zone::naive(micros)
                    .map_or_else(|| micros.to_string(), |time| time.and_utc().to_rfc3339())
            };
            let (start, end) = (time(start), time(end));
            Err(spec.wrong("end", format!("is before start: {end} and {start}")))
        }
        end => Ok((start, end.unwrap_or(i64::MAX))),
    }
}

/// The part of a span in a window; `None` if there is none.
pub(super) fn clip(span: Span, window: Span) -> Option<Span> {
    let (start, end) = (span.0.max(window.0), span.1.min(window.1));
    (start < end).then_some((start, end))
}

/// Microseconds covered by at least one of the spans.
pub(super) fn covered<'a>(spans: impl Iterator<Item = &'a Span>) -> i64 {
    let mut spans: Vec<Span> = spans.copied().collect();
    spans.sort_unstable();
    let (mut total, mut reached) = (0, i64::MIN);
    for (start, end) in spans {
        let start = start.max(reached);
        if start < end {
            total += end - start;
            reached = end;
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn clipping_leaves_the_common_part() {
        assert_eq!(clip((0, 10), (5, 20)), Some((5, 10)));
        assert_eq!(clip((0, 10), (10, 20)), None);
        assert_eq!(clip((0, i64::MAX), (3, 4)), Some((3, 4)));
    }

    proptest! {
        #[test]
        fn covered_counts_each_instant_once(
            spans in prop::collection::vec((0_i64..60, 0_i64..20), 0..12),
        ) {
            let spans: Vec<Span> = spans.iter().map(|&(start, length)| (start, start + length)).collect();
            let inside = |at: &i64| spans.iter().any(|span| span.0 <= *at && *at < span.1);
            prop_assert_eq!(covered(spans.iter()), (0..100).filter(inside).count() as i64);
        }
    }
}
