//! Answers in one form, so that those of different engines can be compared row by row.
//!
//! A row is its cells; rows are sorted. Numbers are compared as numbers with 9 significant digits (sums of binary
//! fractions depend on their order beyond that), instants as microseconds, everything else as text.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::Failure;

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Sorted rows.
    pub rows: Vec<Vec<String>>,
}

impl Answer {
    /// Reads a CSV file with a header line.
    ///
    /// # Errors
    /// If it is none.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let mut reader =
            csv::Reader::from_path(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut rows = Vec::new();
        for record in reader.records() {
            rows.push(record?.iter().map(cell).collect::<Vec<_>>());
        }
        rows.sort_unstable();
        Ok(Self { rows })
    }

    /// SHA-256 over all rows, lower-case hex.
    #[must_use]
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for row in &self.rows {
            for cell in row {
                hash.update((cell.len() as u64).to_le_bytes());
                hash.update(cell.as_bytes());
            }
            hash.update([0xff]);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether every number is within a share of the other's, and everything else equal.
    #[must_use]
    pub fn is_near(&self, other: &Self, share: f64) -> bool {
        self.rows.len() == other.rows.len()
            && self.rows.iter().zip(&other.rows).all(|(row, its)| {
                row.len() == its.len() && row.iter().zip(its).all(|(a, b)| near(a, b, share))
            })
    }
}

fn near(a: &str, b: &str, share: f64) -> bool {
    if a == b {
        return true;
    }
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => (a - b).abs() <= share * a.abs().max(b.abs()).max(1.0),
        _ => false,
    }
}

/// A cell in the one form.
#[must_use]
pub fn cell(text: &str) -> String {
    if let Some(micros) = instant(text) {
        return format!("@{micros}");
    }
    match text {
        "true" | "True" | "t" => return "1".to_owned(),
        "false" | "False" | "f" => return "0".to_owned(),
        "\\N" | "NULL" => return String::new(),
        _ => {}
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => {
            let short = format!("{number:.8e}");
            short.parse::<f64>().map_or(short, |it| format!("{it}"))
        }
        _ => text.to_owned(),
    }
}

/// `2026-03-16 00:00:00.000001` with or without `T`, fraction and UTC, as microseconds.
fn instant(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() < 19
        || bytes.get(4) != Some(&b'-')
        || !matches!(bytes.get(10), Some(b' ' | b'T'))
    {
        return None;
    }
    let plain = text.trim_end_matches('Z').trim_end_matches("+00:00").trim_end_matches("+00");
    let plain = plain.replace(' ', "T");
    let parsed = plain.parse::<chrono::NaiveDateTime>().ok()?;
    Some(parsed.and_utc().timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_one_value_are_one() {
        for (forms, expected) in [
            (&["0.1", "0.10", "1e-1", "0.1000000000001"][..], "0.1"),
            (&["12", "12.0", "12.00000000001"], "12"),
            (&["true", "1", "t"], "1"),
            (&["", "NULL", "\\N"], ""),
            (
                &[
                    "2026-03-16T00:00:00Z",
                    "2026-03-16 00:00:00",
                    "2026-03-16 00:00:00+00",
                    "2026-03-16 00:00:00.000000",
                    "2026-03-16T00:00:00.000000+00:00",
                ],
                "@1773619200000000",
            ),
            (&["00000001-0000-4000-8000-000000000000"], "00000001-0000-4000-8000-000000000000"),
        ] {
            for form in forms {
                assert_eq!(cell(form), expected, "{form}");
            }
        }
        assert_ne!(cell("1.00000001"), cell("1"));
    }

    #[test]
    fn near_is_not_equal_and_not_far() {
        let answer = |cell: &str| Answer { rows: vec![vec!["a".to_owned(), cell.to_owned()]] };
        assert!(answer("100").is_near(&answer("102"), 0.03));
        assert!(!answer("100").is_near(&answer("104"), 0.03));
        assert!(!answer("100").is_near(&answer("b"), 0.03));
        assert_ne!(answer("100").sha256(), answer("101").sha256());
    }
}
