//! What a client sends. Clients write these types and the published documents are made of them; reading is by hand,
//! so that a mistake is told by the name of its field.

use ledgerline_schemas::Position;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// Longest name a client may give a subscription, bytes.
pub const ID_BYTES_MAX: usize = 64;

/// A frame from the client.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// Shows a token; the first frame of a connection opened without one.
    Auth {
        /// The token.
        token: String,
    },
    /// Starts a subscription.
    Subscribe(Subscribe),
    /// Says that everything up to a position was applied.
    Ack {
        /// The subscription.
        id: String,
        /// The position.
        position: Position,
    },
    /// Ends a subscription.
    Unsubscribe {
        /// The subscription.
        id: String,
    },
    /// Asks for a `pong`.
    Ping,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// In the frame, as JSON.
    #[default]
    Json,
    /// As an Arrow IPC stream in a binary message, whose schema has the frame in its metadata (`ledgerline.frame`); the
    /// column `_deleted` says which rows are gone. Frames without rows stay text.
    Arrow,
}

/// What to subscribe to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Subscribe {
    /// The client's name for it, unique in the connection: 1 to 64 bytes.
    pub id: String,
    /// A live table or `events`.
    pub dataset: String,
    /// Which rows, or which events; all when absent.
    #[serde(default, skip_serializing_if = "Json::is_null")]
    pub filter: Json,
    /// Which columns; all when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// Most deltas a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_hz: Option<f64>,
    /// How rows are written: as JSON when absent. WebSocket and live tables only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// The last token received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
    /// Events only: begin after this position; 0 is the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Position>,
}

/// A frame is not what the protocol says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RequestError {
    /// The subscription it speaks of, as far as it can be told.
    pub id: Option<String>,
    /// What is wrong, naming the field.
    pub message: String,
}

impl Request {
    /// Reads a frame.
    ///
    /// # Errors
    /// [`RequestError`] naming the field.
    pub fn parse(text: &str) -> Result<Self, RequestError> {
        let fail = |message: &str| RequestError { id: None, message: message.to_owned() };
        let Ok(Json::Object(map)) = serde_json::from_str::<Json>(text) else {
            return Err(fail("frame is not a JSON object"));
        };
        let id = map.get("id").and_then(Json::as_str).map(str::to_owned);
        let mut fields = Fields { map };
        fields.request().map_err(|message| RequestError { id, message })
    }
}

struct Fields {
    map: Map<String, Json>,
}

impl Fields {
    fn request(&mut self) -> Result<Request, String> {
        let request = match self.text("type")?.as_str() {
            "auth" => Request::Auth { token: self.text("token")? },
            "subscribe" => Request::Subscribe(self.subscribe()?),
            "ack" => Request::Ack {
                id: self.text("id")?,
                position: self
                    .position("position")?
                    .ok_or_else(|| "field 'position' is missing".to_owned())?,
            },
            "unsubscribe" => Request::Unsubscribe { id: self.text("id")? },
            "ping" => Request::Ping,
            other => {
                return Err(format!(
                    "field 'type': no such frame '{other}', there are auth, subscribe, ack, \
                     unsubscribe, ping"
                ));
            }
        };
        match self.map.keys().next() {
            Some(name) => Err(format!("field '{name}' is unknown")),
            None => Ok(request),
        }
    }

    fn subscribe(&mut self) -> Result<Subscribe, String> {
        let id = self.text("id")?;
        if id.is_empty() || id.len() > ID_BYTES_MAX {
            return Err(format!("field 'id': must have 1 to {ID_BYTES_MAX} bytes"));
        }
        Ok(Subscribe {
            id,
            dataset: self.text("dataset")?,
            filter: self.map.remove("filter").unwrap_or_default(),
            columns: self.texts("columns")?,
            max_hz: self.number("max_hz")?,
            format: self.format()?,
            resume: self.optional_text("resume")?,
            after: self.position("after")?,
        })
    }

    fn take(&mut self, name: &str) -> Option<Json> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    fn text(&mut self, name: &str) -> Result<String, String> {
        self.optional_text(name)?.ok_or_else(|| format!("field '{name}' is missing"))
    }

    fn optional_text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("field '{name}' must be a text")),
        }
    }

    fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, String> {
        let Some(value) = self.take(name) else { return Ok(None) };
        serde_json::from_value(value)
            .map(Some)
            .map_err(|_| format!("field '{name}' must be a list of texts"))
    }

    fn format(&mut self) -> Result<Option<Format>, String> {
        let Some(value) = self.take("format") else { return Ok(None) };
        serde_json::from_value(value)
            .map(Some)
            .map_err(|_| "field 'format' must be 'json' or 'arrow'".to_owned())
    }

    fn number(&mut self, name: &str) -> Result<Option<f64>, String> {
        let Some(value) = self.take(name) else { return Ok(None) };
        value.as_f64().map(Some).ok_or_else(|| format!("field '{name}' must be a number"))
    }

    fn position(&mut self, name: &str) -> Result<Option<Position>, String> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let number = value.as_u64().ok_or_else(|| format!("field '{name}' must be a position"))?;
        Ok(Some(Position(number)))
    }
}
