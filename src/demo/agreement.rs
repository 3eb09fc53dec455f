//! Live rows held against SQL `as_of` their position, all the time the demo runs: one dataset after the other.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::DateTime;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::figures::{self, Door};
use crate::failure::Failure;
use crate::live::{Dataset, Live};

/// Time between two comparisons.
const PAUSE: Duration = Duration::from_secs(1);
/// Deltas a second; fewer than there are changes, so that they are conflated.
const MAX_HZ: f64 = 4.0;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Agreement {
    /// Comparisons by dataset.
    pub(super) compared: BTreeMap<&'static str, u64>,
    /// Rows that were compared.
    pub(super) rows: u64,
    /// What differed.
    pub(super) differences: Vec<String>,
}

/// Compares until `stop`.
///
/// # Errors
/// When a door does not answer.
pub(super) async fn watch(
    door: Door,
    datasets: Vec<&'static str>,
    stop: CancellationToken,
) -> Result<Agreement, Failure> {
    let mut live = Live::open(&door.base, &door.token, &datasets, MAX_HZ).await?;
    let mut agreement = Agreement::default();
    let mut turn = datasets.iter().cycle();
    let mut due = Instant::now();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(agreement),
            taken = live.next() => taken?,
        }
        // Between frames a dataset is what it is at its position; amid a snapshot it is not.
        if due > Instant::now() || !live.is_whole() {
            continue;
        }
        let Some(name) = turn.next() else { return Ok(agreement) };
        let Some(dataset) = live.dataset(name) else { continue };
        let sql = format!("select * from {name}");
        let said = figures::ask_as_of(&door, &sql, dataset.position).await?;
        agreement.take(name, dataset, &said);
        due = Instant::now() + PAUSE;
    }
}

impl Agreement {
    fn take(&mut self, name: &'static str, dataset: &Dataset, said: &[Value]) {
        let by_key = |rows: &mut dyn Iterator<Item = &Value>| -> BTreeMap<Vec<String>, Value> {
            rows.map(|row| (dataset.key_of(row), row.clone())).collect()
        };
        let pushed = by_key(&mut dataset.rows());
        let mut asked = by_key(&mut said.iter());
        for (key, row) in &mut asked {
            if let Some(pushed) = pushed.get(key) {
                written_alike(row, pushed);
            }
        }
        *self.compared.entry(name).or_default() += 1;
        self.rows += u64::try_from(asked.len()).unwrap_or(u64::MAX);
        let keys = pushed.keys().chain(asked.keys());
        let differing = keys.filter(|key| pushed.get(*key) != asked.get(*key));
        if let Some(key) = differing.min() {
            let shown = |rows: &BTreeMap<Vec<String>, Value>| {
                rows.get(key).map_or_else(|| "no row".to_owned(), Value::to_string)
            };
            self.differences.push(format!(
                "{name} at {}, row {key:?}: pushed {}, SQL {}",
                dataset.position,
                shown(&pushed),
                shown(&asked)
            ));
        }
    }
}

/// The two doors write some values in two ways: JSON as itself or as text, whole seconds with or without a fraction.
fn written_alike(row: &mut Value, pushed: &Value) {
    let Some(cells) = row.as_object_mut() else { return };
    for (column, asked) in cells {
        let (Some(text), Some(pushed)) = (asked.as_str(), pushed.get(column)) else { continue };
        let same = match pushed {
            Value::Array(_) | Value::Object(_) => {
                serde_json::from_str::<Value>(text).is_ok_and(|it| it == *pushed)
            }
            Value::String(other) => {
                let instants = [text, other.as_str()].map(DateTime::parse_from_rfc3339);
                matches!(instants, [Ok(one), Ok(two)] if one == two)
            }
            _ => false,
        };
        if same {
            *asked = pushed.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_row_that_differs_is_named() {
        let mut dataset = Dataset::default();
        for frame in [
            json!({"type": "snapshot_begin", "key": ["id"], "position": 4}),
            json!({"type": "rows", "rows": [{"id": "a", "n": 1, "at": "2026-03-01T09:00:00.000000Z"}, {"id": "b", "n": 2, "of": [3]}]}),
            json!({"type": "snapshot_end", "position": 4}),
        ] {
            assert!(dataset.take(&frame));
        }
        let mut agreement = Agreement::default();
        let a = json!({"id": "a", "n": 1, "at": "2026-03-01T09:00:00Z"});
        let same = [json!({"n": 2, "id": "b", "of": "[3]"}), a.clone()];
        agreement.take("x", &dataset, &same);
        assert_eq!((agreement.differences.len(), agreement.rows), (0, 2));
        for (said, expected) in [
            (vec![a], "x at 4, row [\"b\"]: pushed {\"id\":\"b\",\"n\":2,\"of\":[3]}, SQL no row"),
            (
                vec![
                    json!({"id": "a", "n": 7, "at": "2026-03-01T09:00:00Z"}),
                    json!({"id": "b", "n": 2, "of": "[3]"}),
                ],
                "x at 4, row [\"a\"]: pushed {\"at\":\"2026-03-01T09:00:00.000000Z\",\"id\":\"a\",\"n\":1}, SQL {\"at\":\"2026-03-01T09:00:00.000000Z\",\"id\":\"a\",\"n\":7}",
            ),
        ] {
            agreement.take("x", &dataset, &said);
            assert_eq!(agreement.differences.pop().as_deref(), Some(expected));
        }
        assert_eq!(agreement.compared["x"], 3);
    }
}
