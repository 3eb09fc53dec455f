//! Times in text as PostgreSQL writes them: a fraction has no zeros at its end, and none is not written.

use pgwire::api::Type;

/// Whether values of this type hold a time of day.
pub(super) fn is_time(of: &Type) -> bool {
    [
        Type::TIME,
        Type::TIMESTAMP,
        Type::TIMESTAMPTZ,
        Type::TIME_ARRAY,
        Type::TIMESTAMP_ARRAY,
        Type::TIMESTAMPTZ_ARRAY,
    ]
    .contains(of)
}

/// A text of such values without needless zeros.
pub(super) fn plain(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut plain = String::with_capacity(text.len());
    let mut rest = &*text;
    // Nothing but a fraction has a point.
    while let Some((before, after)) = rest.split_once('.') {
        plain.push_str(before);
        let end = after.find(|it: char| !it.is_ascii_digit()).unwrap_or(after.len());
        let (fraction, after) = after.split_at(end);
        let fraction = fraction.trim_end_matches('0');
        if !fraction.is_empty() {
            plain.push('.');
            plain.push_str(fraction);
        }
        rest = after;
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_at_the_end_of_a_fraction_are_left_out() {
        for (text, expected) in [
            ("12:00:01.000000", "12:00:01"),
            ("2018-01-01 12:00:00.250000+00", "2018-01-01 12:00:00.25+00"),
            ("2018-01-01 12:00:10.000001", "2018-01-01 12:00:10.000001"),
            (
                "{\"2018-01-01 00:00:00.000000\",NULL,\"2018-01-01 00:00:00.100000\"}",
                "{\"2018-01-01 00:00:00\",NULL,\"2018-01-01 00:00:00.1\"}",
            ),
            ("infinity", "infinity"),
        ] {
            assert_eq!(plain(text.as_bytes()), expected);
        }
    }
}
