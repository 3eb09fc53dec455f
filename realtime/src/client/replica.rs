//! The rows a client has, fed with frames. No input or output.

use std::collections::BTreeMap;

use ledgerline_schemas::Position;
use serde_json::Value as Json;

use super::{ClientError, LiveRow};
use crate::frame::{RowObject, ServerFrame};

/// What a frame did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The rows are whole, at another position or again at this one.
    Position,
    /// Nothing that can be looked at yet.
    Part,
    /// The rows are dropped: subscribe again, without a token.
    Lost,
}

/// The rows of one subscription.
#[derive(Clone, Debug)]
pub struct Replica<R> {
    key: Vec<String>,
    rows: BTreeMap<String, R>,
    position: Position,
    is_whole: bool,
    token: Option<String>,
}

impl<R> Default for Replica<R> {
    fn default() -> Self {
        Self {
            key: Vec::new(),
            rows: BTreeMap::new(),
            position: Position(0),
            is_whole: false,
            token: None,
        }
    }
}

impl<R: LiveRow> Replica<R> {
    /// Takes a frame of the subscription.
    ///
    /// # Errors
    /// [`ClientError`] when the server refuses, or sends what is no row.
    pub fn apply(&mut self, frame: ServerFrame) -> Result<Applied, ClientError> {
        match frame {
            ServerFrame::SnapshotBegin { key, position, .. } => {
                let key = key.into_iter().map(|name| name.into_owned()).collect();
                *self = Self { key, position, ..Self::default() };
                return Ok(Applied::Part);
            }
            ServerFrame::Rows { rows, .. } => {
                self.put(rows)?;
                return Ok(Applied::Part);
            }
            ServerFrame::SnapshotEnd { position, token, .. } => {
                self.position = position;
                self.token = Some(token.into_owned());
                self.is_whole = true;
            }
            ServerFrame::Delta { from, to, upserts, deletes, token, .. } => {
                if !self.is_whole || from != self.position {
                    *self = Self::default();
                    return Ok(Applied::Lost);
                }
                self.put(upserts)?;
                for gone in deletes {
                    self.rows.remove(&self.key_of(&gone));
                }
                self.position = to;
                self.token = Some(token.into_owned());
            }
            ServerFrame::Progress { position, token, .. } => {
                self.position = position;
                self.token = Some(token.into_owned());
            }
            ServerFrame::Resync { .. } => {
                *self = Self::default();
                return Ok(Applied::Lost);
            }
            ServerFrame::Error { code, message, .. } => {
                return Err(ClientError::Refused { code, message: message.into_owned() });
            }
            ServerFrame::Ready { .. }
            | ServerFrame::Events { .. }
            | ServerFrame::Unsubscribed { .. }
            | ServerFrame::Pong { .. } => return Ok(Applied::Part),
        }
        Ok(Applied::Position)
    }

    fn put(&mut self, rows: Vec<RowObject>) -> Result<(), ClientError> {
        for row in rows {
            let key = self.key_of(&row);
            let row = serde_json::from_value(Json::Object(row))
                .map_err(|error| ClientError::Protocol(format!("{}: {error}", R::DATASET)))?;
            self.rows.insert(key, row);
        }
        Ok(())
    }

    fn key_of(&self, row: &RowObject) -> String {
        let parts = self.key.iter().map(|name| row.get(name).cloned().unwrap_or_default());
        Json::Array(parts.collect()).to_string()
    }
}

impl<R> Replica<R> {
    /// The rows, in the order of their keys.
    pub fn rows(&self) -> impl Iterator<Item = &R> {
        self.rows.values()
    }

    /// The rows are those at this position, once they are whole.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Whether a snapshot was read to its end.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The last resume token.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }
}
