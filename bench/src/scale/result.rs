//! What one engine did: the same form for ours and the peers'.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Failure;

/// A run of one engine.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Run {
    /// Name of the engine.
    pub engine: String,
    /// Its version.
    pub version: String,
    /// By question.
    pub questions: BTreeMap<String, Timed>,
    /// Most memory of the process after the questions one by one, bytes.
    pub peak_bytes: u64,
    /// Eight askers at once; absent where that was not run.
    #[serde(default)]
    pub mixed: Option<Mixed>,
}

/// How long one question took, round by round. The first round is the first time it was asked.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Timed {
    /// Seconds by the clock.
    pub wall_s: Vec<f64>,
    /// Seconds of processor time.
    pub cpu_s: Vec<f64>,
    /// Rows of the answer.
    pub rows: u64,
}

impl Timed {
    /// The best time by the clock of all rounds, seconds.
    #[must_use]
    pub fn best_s(&self) -> f64 {
        self.wall_s.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The processor time of the best round, seconds.
    #[must_use]
    pub fn best_cpu_s(&self) -> f64 {
        let best = self.wall_s.iter().position(|it| *it <= self.best_s()).unwrap_or(0);
        self.cpu_s.get(best).copied().unwrap_or(0.0)
    }
}

/// Several askers at once, each going through all questions in an order of its own.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Mixed {
    /// Askers.
    pub clients: usize,
    /// Seconds until all were done.
    pub seconds: f64,
    /// Seconds of each answer.
    pub latencies_s: Vec<f64>,
    /// Most memory of the process by then, bytes.
    pub peak_bytes: u64,
}

impl Run {
    /// Reads a run.
    ///
    /// # Errors
    /// If the file is not there or not one of ours.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// Writes it.
    ///
    /// # Errors
    /// If that fails.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        Ok(fs::write(path, serde_json::to_vec_pretty(self)?)?)
    }
}
