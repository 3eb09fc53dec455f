//! Why a log does not open.

use std::io;
use std::path::PathBuf;

use ledgerline_schemas::id::OrgId;

use crate::segment::recovery::Problem;
use crate::vault::Damage;

/// The log was not opened. Nothing that is part of a log was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it open.
    #[error("the log {} is in use by another process", directory.display())]
    Locked {
        /// Its directory.
        directory: PathBuf,
    },
    /// The directory holds something that is no part of a log.
    #[error("{} is not a log directory: it holds {name:?}", directory.display())]
    Foreign {
        /// The directory.
        directory: PathBuf,
        /// A file that no log has.
        name: String,
    },
    /// The log belongs to another organization.
    #[error("the log {} belongs to organization {found}, not {wanted}", directory.display())]
    OtherOrganization {
        /// Its directory.
        directory: PathBuf,
        /// Whose it is.
        found: OrgId,
        /// Whose it should be.
        wanted: OrgId,
    },
    /// Stored bytes are damaged in a place that no interrupted write explains.
    #[error("the log {} is damaged in {segment} at offset {offset}: {reason}", directory.display())]
    Damaged {
        /// Its directory.
        directory: PathBuf,
        /// The segment's file name.
        segment: String,
        /// Where in it, bytes.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// Input or output failed.
    #[error("the log {} cannot be opened: {what}: {source}", directory.display())]
    Io {
        /// Its directory.
        directory: PathBuf,
        /// What was being done.
        what: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The checkpoint file cannot be used.
    #[error("the checkpoint file in {} cannot be used: {reason}", directory.display())]
    Checkpoints {
        /// The log's directory.
        directory: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Gives errors the directory they are about.
#[derive(Clone, Debug)]
pub(crate) struct At(pub(crate) PathBuf);

impl At {
    pub(crate) fn io(&self, what: &'static str) -> impl FnOnce(io::Error) -> OpenError {
        let directory = self.0.clone();
        move |source| match Damage::of(&source).cloned() {
            Some(Damage { file, reason }) => {
                OpenError::Damaged { directory, segment: file, offset: 0, reason }
            }
            None => OpenError::Io { directory, what, source },
        }
    }

    pub(crate) fn damaged(&self, segment: &str, offset: u64, reason: &str) -> OpenError {
        OpenError::Damaged {
            directory: self.0.clone(),
            segment: segment.to_owned(),
            offset,
            reason: reason.to_owned(),
        }
    }

    pub(crate) fn problem(&self, problem: Problem) -> OpenError {
        match problem {
            Problem::Damaged { segment, offset, reason } => self.damaged(&segment, offset, &reason),
            Problem::Io(error) => self.io("reading a segment")(error),
        }
    }
}
