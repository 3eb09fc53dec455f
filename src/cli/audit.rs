//! Arguments of `ledgerline audit`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Local, Target};

#[derive(Debug, Args)]
pub(crate) struct Audit {
    #[command(subcommand)]
    pub(crate) verb: AuditVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditVerb {
    /// Print the public key that checkpoints are verified with.
    Key(AuditKey),
    /// Sign a checkpoint over the log as it is now and print it.
    ///
    /// Keep what it prints where whoever could change the log cannot reach it: that is what makes a change
    /// visible. Only events since the last checkpoint are read.
    Checkpoint(AuditCheckpoint),
    /// Prove that each event of an interaction is in the log.
    Prove(AuditProve),
    /// Read the whole log, hold it against checkpoints and say where it differs.
    Verify(AuditVerify),
    /// Write the evidence of an interaction: events, proofs, checkpoint, key, and how to verify it with
    /// ordinary tools.
    Export(AuditExport),
}

impl AuditVerb {
    /// Whom it asks, if it may be a running server.
    pub(crate) const fn target(&self) -> Option<&Target> {
        match self {
            Self::Key(arguments) => Some(&arguments.target),
            Self::Checkpoint(arguments) => Some(&arguments.target),
            Self::Prove(arguments) => Some(&arguments.target),
            Self::Export(arguments) => Some(&arguments.target),
            Self::Verify(_) => None,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct AuditKey {
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct AuditCheckpoint {
    #[command(flatten)]
    pub(crate) target: Target,
    /// An older checkpoint: print the proof that the new one continues it, with the new one in it.
    #[arg(long, value_name = "FILE")]
    pub(crate) since: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct AuditProve {
    /// The interaction's id.
    pub(crate) interaction: String,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Write POSITION.tlog-proof files to this folder instead of printing the proofs.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct AuditVerify {
    #[command(flatten)]
    pub(crate) local: Local,
    /// Checkpoints that were kept elsewhere, one or more in a file; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Vec<PathBuf>,
    /// Public key to trust instead of that of the data directory; may be repeated, one an organization.
    #[arg(long, value_name = "VKEY")]
    pub(crate) key: Vec<String>,
    /// A copy of the custody folder that was kept elsewhere: its tiles show which event differs.
    #[arg(long, value_name = "DIR")]
    pub(crate) tiles: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct AuditExport {
    /// The interaction's id.
    pub(crate) interaction: String,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Folder to write to; made if absent, otherwise it must be empty.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// A checkpoint the receiver already has: add it and the proof that the bundle's continues it.
    #[arg(long, value_name = "FILE")]
    pub(crate) since: Option<PathBuf>,
}
