//! Up to which leader's keys a data directory has them.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use ledgerline_schemas::id::OrgId;
use serde::{Deserialize, Serialize};

use crate::data_dir::DataDir;
use crate::failure::Failure;

const FILE: &str = "keys-until.json";
const FORMAT: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    format: u32,
    epochs: BTreeMap<OrgId, u64>,
}

/// For each organization, the highest claim of its log whose holder's keys are in this directory. Keys are made
/// by who leads, so a directory with the keys of the last leader has all.
#[derive(Clone, Debug)]
pub(crate) struct Until {
    data: DataDir,
}

impl Until {
    pub(crate) fn of(data: &DataDir) -> Self {
        Self { data: data.clone() }
    }

    /// What is remembered; nothing in a directory that never copied keys and never offered any.
    pub(crate) fn epochs(&self) -> Result<BTreeMap<OrgId, u64>, Failure> {
        let path = self.data.root().join(FILE);
        let unusable = |reason: String| Failure::file(format!("{}: {reason}", path.display()));
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(unusable(error.to_string())),
        };
        let remembered: Remembered =
            serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?;
        if remembered.format != FORMAT {
            return Err(unusable(format!("format {} is not known", remembered.format)));
        }
        Ok(remembered.epochs)
    }

    /// Remembers, durably. Called when the keys are there.
    pub(crate) fn set(&self, epochs: &BTreeMap<OrgId, u64>) -> Result<(), Failure> {
        if self.epochs()? == *epochs {
            return Ok(());
        }
        self.data.write(FILE, &Remembered { format: FORMAT, epochs: epochs.clone() })
    }
}
