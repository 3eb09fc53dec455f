//! Proofs: that an event is under a checkpoint, and that a checkpoint continues an older one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledgerline_schemas::{Position, Recorded};

use super::error::CustodyError;
use super::hash::Hash;
use super::leaf::leaf;
use super::tree::Tree;
use super::verify::{self, Checkpoint};
use super::{Custody, Progress};
use crate::log::EventReader;

fn lines(hashes: &[Hash]) -> String {
    hashes.iter().map(|hash| format!("{hash}\n")).collect()
}

impl Custody {
    /// Proves that an event is under the newest checkpoint, as a C2SP `tlog-proof` whose `extra` line holds
    /// the event's leaf. The verifier has accepted it.
    ///
    /// Tiles that turn out to be damaged are built anew from the log.
    ///
    /// # Errors
    /// [`CustodyError::NotCovered`] if the event is newer than the checkpoint;
    /// [`CustodyError::LogChanged`] or [`CustodyError::ProofFails`] if the log is not what was signed.
    pub fn prove(
        &mut self,
        log: &dyn EventReader,
        event: &Recorded,
        progress: Progress<'_>,
    ) -> Result<String, CustodyError> {
        let size = self.size();
        let position = event.header.position;
        let index = position.0.checked_sub(1).filter(|index| *index < size);
        let index = index.ok_or(CustodyError::NotCovered { position, size })?;
        match self.inclusion(event, index) {
            Err(CustodyError::Tile { .. } | CustodyError::ProofFails { .. }) => {
                self.rebuild(log, progress)?;
                self.inclusion(event, index)
            }
            proof => proof,
        }
    }

    fn inclusion(&mut self, event: &Recorded, index: u64) -> Result<String, CustodyError> {
        let note = self.newest().map(|newest| newest.note.clone()).unwrap_or_default();
        let size = self.size();
        let path = Tree { tiles: &mut self.tiles, size }.inclusion(index)?;
        let extra = STANDARD.encode(leaf(event));
        let proof = format!(
            "c2sp.org/tlog-proof@v1\nextra {extra}\nindex {index}\n{}\n{note}",
            lines(&path)
        );
        verify::inclusion(&proof, &self.public).map_err(|reason| CustodyError::ProofFails {
            position: event.header.position,
            reason,
        })?;
        Ok(proof)
    }

    /// Proves that the newest checkpoint continues an older one. The verifier has accepted it.
    ///
    /// # Errors
    /// As [`Custody::prove`]; [`CustodyError::LogCut`] if the older checkpoint is larger.
    pub fn prove_consistency(
        &mut self,
        log: &dyn EventReader,
        old: &Checkpoint,
        progress: Progress<'_>,
    ) -> Result<String, CustodyError> {
        match self.consistency(old) {
            Err(CustodyError::Tile { .. } | CustodyError::ProofFails { .. }) => {
                self.rebuild(log, progress)?;
                self.consistency(old)
            }
            proof => proof,
        }
    }

    fn consistency(&mut self, old: &Checkpoint) -> Result<String, CustodyError> {
        let size = self.size();
        if old.size > size {
            let head = Position(size);
            return Err(CustodyError::LogCut { head, size: old.size });
        }
        let note = self.newest().map(|newest| newest.note.clone()).unwrap_or_default();
        let path = Tree { tiles: &mut self.tiles, size }.consistency(old.size)?;
        let proof =
            format!("ledgerline/consistency-proof@v1\nold {}\n{}\n{note}", old.size, lines(&path));
        verify::consistency(old, &proof, &self.public)
            .map_err(|reason| CustodyError::ProofFails { position: Position(old.size), reason })?;
        Ok(proof)
    }
}
