//! Card numbers: what passes the Luhn check and looks like one number.

use std::ops::{Range, RangeInclusive};

use super::atoms::{Gap, Text};

/// Digits of a card number.
const DIGITS: RangeInclusive<usize> = 13..=19;

/// First digits and lengths of the issuers' numbers, for digits that do not stand by themselves.
const ISSUERS: [(RangeInclusive<u32>, &[usize]); 11] = [
    (4_000..=4_999, &[13, 16, 19]),
    (5_100..=5_599, &[16]),
    (2_200..=2_720, &[16, 19]),
    (3_400..=3_499, &[15]),
    (3_700..=3_799, &[15]),
    (3_000..=3_059, &[14, 16]),
    (3_528..=3_589, &[16, 19]),
    (3_600..=3_999, &[14, 16, 19]),
    (5_000..=5_099, &[13, 14, 15, 16, 19]),
    (5_600..=6_999, &[13, 14, 15, 16, 17, 18, 19]),
    (8_100..=8_299, &[16, 19]),
];

/// Marks card numbers; whether there was one.
pub(super) fn mark(text: &mut Text<'_>) -> bool {
    let mut found: Vec<Range<usize>> = Vec::new();
    for run in text.runs() {
        for start in run.clone() {
            for length in DIGITS {
                let window = start..start + length;
                if window.end <= run.end && is_number(text, window.clone(), &run) {
                    found.push(window);
                }
            }
        }
    }
    for window in &found {
        for atom in text.atoms.get_mut(window.clone()).unwrap_or_default() {
            atom.marked = true;
        }
    }
    !found.is_empty()
}

fn is_number(text: &Text<'_>, window: Range<usize>, run: &Range<usize>) -> bool {
    let Some(atoms) = text.atoms.get(window.clone()) else { return false };
    let values: Vec<u8> = atoms.iter().map(|atom| atom.value).collect();
    if !passes_luhn(&values) || values.iter().all(|value| *value == 0) {
        return false;
    }
    stands_by_itself(text, &window, run) || is_issued(&values)
}

/// Whether it begins and ends where groups do, with one and the same separator between them.
fn stands_by_itself(text: &Text<'_>, window: &Range<usize>, run: &Range<usize>) -> bool {
    let gap = |index: usize| text.gaps.get(index).copied().unwrap_or(Gap::Apart);
    let begins = window.start == run.start || gap(window.start) != Gap::None;
    let ends = window.end == run.end || gap(window.end) != Gap::None;
    let mut separators = (window.start + 1..window.end).map(gap).filter(|gap| *gap != Gap::None);
    let first = separators.next();
    let alike = match first {
        None => true,
        Some(Gap::One(_)) => separators.all(|gap| Some(gap) == first),
        Some(_) => false,
    };
    begins && ends && alike
}

fn is_issued(values: &[u8]) -> bool {
    let prefix = values.iter().take(4).fold(0_u32, |prefix, value| prefix * 10 + u32::from(*value));
    ISSUERS
        .iter()
        .any(|(prefixes, lengths)| prefixes.contains(&prefix) && lengths.contains(&values.len()))
}

/// The check digit of ISO/IEC 7812-1.
pub(super) fn passes_luhn(values: &[u8]) -> bool {
    let sum: u32 = values
        .iter()
        .rev()
        .enumerate()
        .map(|(index, value)| {
            let value = u32::from(*value);
            match (index % 2, value) {
                (0, _) => value,
                (_, 0..=4) => value * 2,
                _ => value * 2 - 9,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}
