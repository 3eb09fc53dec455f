//! What a verification of a log found.

use std::fmt;

use ledgerline_schemas::{Position, StreamId, Version};

/// How the log differs at a position from what was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The event there is another one.
    Edited,
    /// This many events from there on are missing; those behind them moved up.
    Deleted(u64),
    /// This many events were put in there; those behind them moved back.
    Inserted(u64),
    /// The event there and the one at this position stand in each other's place.
    Swapped(Position),
    /// The event that was there is now at this position.
    Moved(Position),
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edited => f.write_str("the event there was edited or replaced"),
            Self::Deleted(count) => write!(f, "{count} event(s) were deleted from there on"),
            Self::Inserted(count) => write!(f, "{count} event(s) were put in there"),
            Self::Swapped(with) => write!(f, "the event there was swapped with position {with}"),
            Self::Moved(to) => write!(f, "the event that was there now stands at position {to}"),
        }
    }
}

/// The first position where the log differs from what was signed, out of tiles that belong to the signed
/// checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exact {
    /// The first position that differs; one behind the head when all that is left is unchanged.
    pub position: Position,
    /// Positions from there up to the head or the checkpoint that differ.
    pub differing: u64,
    /// How; `None` when the log ends there.
    pub how: Option<How>,
}

/// Something is not as it was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// Stored bytes cannot be read.
    Damaged {
        /// The last position that could be read.
        after: Position,
        /// Where and why, in the words of the log.
        reason: String,
    },
    /// The events up to the size of a checkpoint are not those that were signed.
    Changed {
        /// Size of the first checkpoint that does not fit.
        size: u64,
        /// The last position that a checkpoint vouches for: the change lies behind it.
        after: Position,
        /// The event, if tiles of the checkpoint were at hand.
        exact: Option<Exact>,
    },
    /// The log is shorter than a checkpoint.
    Truncated {
        /// Size of the checkpoint.
        size: u64,
        /// Where the log ends.
        head: Position,
        /// Whether what is left is unchanged, if tiles of the checkpoint were at hand.
        exact: Option<Exact>,
    },
    /// The key signed two histories: the log fits one of its checkpoints and not the other, or two of them
    /// contradict each other.
    Fork {
        /// Size of the checkpoint that contradicts.
        size: u64,
        /// Size of the checkpoint it contradicts.
        other: u64,
        /// The last position that both agree on, as far as checkpoints tell.
        after: Position,
        /// The event, if tiles of the checkpoint were at hand.
        exact: Option<Exact>,
    },
    /// A checkpoint from outside is not in the log's own history of checkpoints, which was cut or replaced.
    NotInHistory {
        /// Size of the checkpoint.
        size: u64,
    },
    /// An event does not stand where it says, or is of another organization.
    Misplaced {
        /// Where it stands.
        position: Position,
        /// The position it says.
        says: Position,
    },
    /// The versions of a stream have a hole or repeat.
    Version {
        /// Where.
        position: Position,
        /// The stream.
        stream: StreamId,
        /// What the version should be.
        expected: Version,
        /// What it is.
        found: Version,
    },
}

/// What [`super::log`] went through and found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Events read.
    pub events: u64,
    /// Position of the last one.
    pub head: Position,
    /// Sizes of the checkpoints from outside that the log fits, ascending.
    pub outside: Vec<u64>,
    /// Sizes of its own checkpoints that the log fits, ascending.
    pub own: Vec<u64>,
    /// What is wrong; nothing if empty.
    pub findings: Vec<Finding>,
}

fn located(
    f: &mut fmt::Formatter<'_>,
    after: Position,
    size: u64,
    exact: Option<&Exact>,
) -> fmt::Result {
    match exact {
        None => write!(f, "; the first difference is in positions {} to {size}", after.0 + 1),
        Some(Exact { position, how: None, .. }) => {
            write!(f, "; everything before position {position} is unchanged")
        }
        Some(Exact { position, differing, how: Some(how) }) => {
            write!(f, "; first difference at position {position}: {how} ({differing} differ)")
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged { after, reason } => {
                write!(f, "damaged behind position {after}: {reason}")
            }
            Self::Changed { size, after, exact } => {
                write!(f, "changed: the log does not fit the checkpoint of size {size}")?;
                located(f, *after, *size, exact.as_ref())
            }
            Self::Truncated { size, head, exact } => {
                write!(
                    f,
                    "cut off: the log ends at position {head}, the checkpoint has size {size}"
                )?;
                exact.as_ref().map_or(Ok(()), |exact| located(f, *head, *size, Some(exact)))
            }
            Self::Fork { size, other, after, exact } => {
                write!(
                    f,
                    "forked: the same key signed two histories, in the checkpoints of size {size} \
                     and size {other}"
                )?;
                located(f, *after, *size, exact.as_ref())
            }
            Self::NotInHistory { size } => write!(
                f,
                "history cut or replaced: the checkpoint of size {size} is not among the log's own"
            ),
            Self::Misplaced { position, says } => write!(
                f,
                "misplaced: the event at position {position} says position {says} or another \
                 organization"
            ),
            Self::Version { position, stream, expected, found } => write!(
                f,
                "stream broken: the event at position {position} is version {found} of {stream}, \
                 not {expected}"
            ),
        }
    }
}
