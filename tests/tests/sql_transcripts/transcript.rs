//! What a client and the server said to each other, statement by statement (`tests/clients/sql/record.py`).

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One statement and its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Number of the client's connection.
    pub(crate) connection: usize,
    pub(crate) protocol: Protocol,
    pub(crate) sql: String,
    /// Object ids of parameters as the client declares them; 0 is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) types: Vec<u32>,
    /// `{"text": …}`, `{"binary": hex}` or null.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) values: Vec<Value>,
    /// Of the answer's columns: 0 is text, 1 binary.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) formats: Vec<i16>,
    /// Most rows of one answer; 0 is all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) limit: i32,
    #[serde(flatten)]
    pub(crate) answer: Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    Simple,
    Extended,
}

/// What the server answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// Object ids of parameters; empty where the client did not ask.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) parameters: Vec<u32>,
    /// Name and object id of the type; empty where the client did not ask or there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) columns: Vec<(String, u32)>,
    /// How many rows; none where another run has others.
    pub(crate) rows: Option<u64>,
    /// Of the rows in any order; none where another run has others.
    pub(crate) hash: Option<String>,
    /// Of the command, without counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<String>,
    /// SQLSTATE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// As `skip_serializing_if` wants it.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "so it is called")]
fn is_zero(limit: &i32) -> bool {
    *limit == 0
}

impl Entry {
    /// Whether the client had the statement described.
    pub(crate) fn described(&self) -> bool {
        !self.answer.columns.is_empty() || !self.answer.parameters.is_empty()
    }

    /// An answer as far as this entry tells.
    pub(crate) fn told(&self, mut answer: Answer) -> Answer {
        let known = &self.answer;
        if known.parameters.is_empty() {
            answer.parameters.clear();
        }
        if known.columns.is_empty() {
            answer.columns.clear();
        }
        if known.rows.is_none() {
            answer.rows = None;
        }
        if known.hash.is_none() {
            answer.hash = None;
        }
        answer
    }
}

pub(crate) fn read(file: &Path) -> Vec<Entry> {
    let text = std::fs::read_to_string(file).expect("a transcript");
    text.lines().map(|line| serde_json::from_str(line).expect("an entry")).collect()
}

pub(crate) fn write(file: &Path, entries: &[Entry]) {
    let line = |entry| serde_json::to_string(entry).expect("written") + "\n";
    std::fs::write(file, entries.iter().map(line).collect::<String>()).expect("written");
}
