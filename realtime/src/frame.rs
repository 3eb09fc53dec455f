//! What the server sends.

use std::time::Instant;

use ledgerline_projections::TableDef;
use ledgerline_schemas::id::OrgId;
use ledgerline_schemas::{Position, Timestamp};
use serde::Serialize;

use crate::row_json::RowsJson;

/// Why a subscriber must drop its rows and subscribe again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResyncReason {
    /// The tables were built anew.
    Epoch,
    /// The changes since then are no longer retained.
    Retention,
    /// The client did not take its frames in time.
    Slow,
    /// What the principal may see has changed.
    PolicyChanged,
}

/// What kind of mistake an error frame speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The frame is not what the protocol says.
    BadRequest,
    /// There is no such dataset.
    UnknownDataset,
    /// There is no such subscription.
    UnknownSubscription,
    /// The principal may not do this.
    Forbidden,
    /// The token is not accepted.
    Unauthorized,
    /// A limit is passed.
    TooLarge,
    /// Reading failed here.
    Unavailable,
}

/// A dataset on offer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Offer<'a> {
    pub(crate) name: &'a str,
    pub(crate) doc: &'a str,
    pub(crate) key: &'a [&'a str],
    pub(crate) columns: Vec<&'a str>,
}

impl<'a> Offer<'a> {
    pub(crate) fn of(table: &'a TableDef) -> Self {
        let columns = table.columns.iter().map(|column| column.name).collect();
        Self { name: table.name, doc: table.doc, key: table.key, columns }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Frame<'a> {
    Ready {
        org_id: OrgId,
        datasets: Vec<Offer<'a>>,
    },
    SnapshotBegin {
        id: &'a str,
        dataset: &'a str,
        key: &'a [&'a str],
        /// Text, because a program that reads JSON numbers as floats would round it.
        epoch: String,
        position: Position,
    },
    Rows {
        id: &'a str,
        rows: RowsJson<'a>,
    },
    SnapshotEnd {
        id: &'a str,
        position: Position,
        token: &'a str,
    },
    Delta {
        id: &'a str,
        from: Position,
        to: Position,
        upserts: RowsJson<'a>,
        deletes: RowsJson<'a>,
        token: &'a str,
    },
    Events {
        id: &'a str,
        from: Position,
        to: Position,
        events: Vec<serde_json::Value>,
        token: &'a str,
    },
    Progress {
        id: &'a str,
        position: Position,
        time: Timestamp,
        token: &'a str,
    },
    Resync {
        id: &'a str,
        reason: ResyncReason,
    },
    Unsubscribed {
        id: &'a str,
    },
    Pong {
        time: Timestamp,
    },
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        code: ErrorCode,
        message: &'a str,
    },
}

impl Frame<'_> {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Ready { .. } => "ready",
            Self::SnapshotBegin { .. } => "snapshot_begin",
            Self::Rows { .. } => "rows",
            Self::SnapshotEnd { .. } => "snapshot_end",
            Self::Delta { .. } => "delta",
            Self::Events { .. } => "events",
            Self::Progress { .. } => "progress",
            Self::Resync { .. } => "resync",
            Self::Unsubscribed { .. } => "unsubscribed",
            Self::Pong { .. } => "pong",
            Self::Error { .. } => "error",
        }
    }

    /// Encodes the frame.
    pub(crate) fn encode(&self) -> Outgoing {
        // Only maps with keys that are not text can fail, and there are none.
        let text = serde_json::to_string(self).unwrap_or_default();
        let token = match self {
            Self::SnapshotEnd { token, .. }
            | Self::Delta { token, .. }
            | Self::Events { token, .. }
            | Self::Progress { token, .. } => Some((*token).to_owned()),
            _ => None,
        };
        Outgoing { kind: self.kind(), text, token, pushed: None }
    }
}

/// An encoded frame.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Its `type`.
    pub kind: &'static str,
    /// JSON.
    pub text: String,
    /// Its resume token, the event id of server-sent events.
    pub token: Option<String>,
    /// When the oldest change in it came in.
    pub pushed: Option<Instant>,
}
