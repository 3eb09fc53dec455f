//! Where a read or subscription begins.

use std::fmt;

use ledgerline_schemas::{Position, StreamId, Version};
use tonic::Status;

use super::refusal;
use super::wire::shared::StreamIdentifier;
use super::wire::streams::read_req::options::all_options::AllOption;
use super::wire::streams::read_req::options::stream_options::RevisionOption;
use super::wire::streams::read_req::options::{AllOptions, StreamOptions};

/// A place in a stream or in the log, as a client names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Start,
    End,
    At(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::End => f.write_str("end"),
            Self::At(place) => place.fmt(f),
        }
    }
}

impl Place {
    pub(crate) fn in_stream(options: &StreamOptions) -> Result<Self, Status> {
        match options.revision_option {
            // The largest revision is how some clients say "end".
            Some(RevisionOption::Revision(u64::MAX) | RevisionOption::End(_)) => Ok(Self::End),
            Some(RevisionOption::Revision(revision)) => Ok(Self::At(revision)),
            Some(RevisionOption::Start(_)) => Ok(Self::Start),
            None => Err(refusal::missing("revision_option")),
        }
    }

    pub(crate) fn in_all(options: &AllOptions) -> Result<Self, Status> {
        match &options.all_option {
            Some(AllOption::End(_)) => Ok(Self::End),
            Some(AllOption::Position(position)) => Ok(match position.commit_position {
                u64::MAX => Self::End,
                at => Self::At(at),
            }),
            Some(AllOption::Start(_)) => Ok(Self::Start),
            None => Err(refusal::missing("all_option")),
        }
    }

    /// Where the log is read forward from: events after this. A read includes its position.
    pub(crate) fn after(self, head: Position) -> Position {
        match self {
            Self::Start => Position::START,
            Self::End => head,
            Self::At(position) => Position(position.saturating_sub(1)),
        }
    }

    /// Where the log is read backward from: events at or before this. A read leaves its position out.
    pub(crate) fn before(self, head: Position) -> Position {
        match self {
            Self::Start => Position::START,
            Self::End => head,
            Self::At(position) => Position(position.saturating_sub(1)).min(head),
        }
    }

    /// What a subscription to everything has seen already: its position is excluded.
    pub(crate) fn seen(self, head: Position) -> Position {
        match self {
            Self::Start => Position::START,
            Self::End => head,
            Self::At(position) => Position(position),
        }
    }
}

/// The stream a client names; `None` when no stream can have that name.
pub(crate) fn stream(identifier: Option<&StreamIdentifier>) -> Result<Option<StreamId>, Status> {
    let identifier = identifier.ok_or_else(|| refusal::missing("stream_identifier"))?;
    Ok(std::str::from_utf8(&identifier.stream_name).ok().map(StreamId::new))
}

/// The version after the head of a stream.
pub(crate) fn next(head: Option<Version>) -> u64 {
    head.map_or(0, |version| version.0.saturating_add(1))
}
