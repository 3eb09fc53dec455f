//! A simulated agent at the public desktop API.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::behavior::AgentMind;
use crate::random::Random;
use crate::run::{Plan, Seat};
use crate::tally::Tally;

/// The desktop said no.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The request did not get through.
    #[error("http: {0}")]
    Http(#[from] reqwest::Error),
    /// The server answered with an error.
    #[error("{what} was answered {status}: {body}")]
    Refused {
        /// What was asked.
        what: String,
        /// The status.
        status: u16,
        /// The answer's text.
        body: String,
    },
    /// The push socket failed.
    #[error("websocket: {0}")]
    Socket(#[from] Box<tokio_tungstenite::tungstenite::Error>),
}

type Pushes =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// A logged-in agent.
pub struct Desk {
    api: Api,
    seat: Seat,
    mind: AgentMind,
    random: Random,
    pushes: Pushes,
    after: u64,
    voice_queues: Vec<String>,
    chat_queues: Vec<String>,
    channels: BTreeMap<String, String>,
}

/// The REST side, shared with the tasks of single conversations.
#[derive(Clone)]
struct Api {
    client: Client,
    base: String,
    token: String,
    tally: Tally,
}

impl Api {
    async fn ask(&self, method: Method, path: &str, body: Value) -> Result<Value, AgentError> {
        let what = format!("{method} {path}");
        let response = self
            .client
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&self.token)
            .json(&body)
            .send()
            .await?;
        let status = response.status();
        let text = response.text().await?;
        if !status.is_success() {
            return Err(AgentError::Refused { what, status: status.as_u16(), body: text });
        }
        self.tally.note(|totals| totals.commands_acknowledged += 1);
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Asks and counts anything but success, "no longer so" and "try again" as a surprise.
    async fn tell(&self, method: Method, path: &str, body: Value) {
        match self.ask(method, path, body).await {
            Ok(_) => {}
            Err(AgentError::Refused { status, .. })
                if status == StatusCode::CONFLICT.as_u16()
                    || status == StatusCode::NOT_FOUND.as_u16()
                    || status == StatusCode::TOO_MANY_REQUESTS.as_u16()
                    || status == StatusCode::SERVICE_UNAVAILABLE.as_u16() => {}
            // A server that is being restarted is part of some runs.
            Err(AgentError::Http(error)) => tracing::debug!(%error, "desktop request"),
            Err(error) => self.tally.surprise(format!("desktop: {error}")),
        }
    }

    async fn available(&self) {
        self.tell(Method::PUT, "/v1/agents/session/state", json!({"state": "Available"})).await;
    }
}

impl Desk {
    /// Logs in, opens the push socket and becomes available.
    ///
    /// # Errors
    /// [`AgentError`].
    pub async fn open(
        plan: &Plan,
        seat: Seat,
        dial_number: String,
        mind: AgentMind,
        random: Random,
        tally: Tally,
    ) -> Result<Self, AgentError> {
        let api = Api {
            client: Client::new(),
            base: plan.http.clone(),
            token: seat.token.clone(),
            tally,
        };
        let login = json!({
            "teamId": seat.team, "dialNumber": dial_number, "deviceType": "EXTENSION",
            "agentSessionId": Uuid::new_v4(),
        });
        api.ask(Method::POST, "/v1/agents/login", login).await?;
        let pushes = listen(&api, 0).await?;
        api.ask(Method::PUT, "/v1/agents/session/state", json!({"state": "Available"})).await?;
        Ok(Self {
            api,
            seat,
            mind,
            random,
            pushes,
            after: 0,
            voice_queues: plan.voice_transfer_queues.clone(),
            chat_queues: plan.chat_transfer_queues.clone(),
            channels: BTreeMap::new(),
        })
    }

    /// Works until `close`, then logs out.
    pub async fn work(mut self, close: CancellationToken) {
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                () = close.cancelled() => break,
                Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
                push = self.pushes.next() => match push {
                    Some(Ok(Message::Text(text))) => {
                        if let Ok(push) = serde_json::from_str::<Value>(&text) {
                            self.handle(&push, &mut tasks);
                        }
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => {
                        if !self.reconnect(&close).await {
                            break;
                        }
                    }
                }
            }
        }
        tasks.shutdown().await;
        self.api.tell(Method::POST, "/v1/agents/logout", json!({})).await;
    }

    /// Opens the push socket again, as often as needed; false when the run is over.
    async fn reconnect(&mut self, close: &CancellationToken) -> bool {
        loop {
            tokio::select! {
                () = close.cancelled() => return false,
                () = sleep(Duration::from_millis(250)) => {}
            }
            if let Ok(pushes) = listen(&self.api, self.after).await {
                self.pushes = pushes;
                return true;
            }
        }
    }

    fn handle(&mut self, push: &Value, tasks: &mut JoinSet<()>) {
        if let Some(position) = push.get("position").and_then(Value::as_u64) {
            self.after = self.after.max(position);
        }
        let kind = push.get("type").and_then(Value::as_str).unwrap_or_default();
        let interaction =
            push.get("interactionId").and_then(Value::as_str).unwrap_or_default().to_owned();
        let api = self.api.clone();
        let random = self.random.fork();
        match kind {
            "AgentOfferContact" => {
                let channel =
                    push.get("channelType").and_then(Value::as_str).unwrap_or("voice").to_owned();
                if channel != "voice" {
                    tasks.spawn(take(api, interaction.clone(), self.mind, random));
                }
                self.channels.insert(interaction, channel);
            }
            "AgentContactAssigned" => {
                let voice =
                    self.channels.get(&interaction).is_none_or(|channel| channel == "voice");
                let queues =
                    if voice { self.voice_queues.clone() } else { self.chat_queues.clone() };
                tasks.spawn(converse(api, interaction, voice, queues, self.mind, random));
            }
            "AgentWrapup" => {
                self.channels.remove(&interaction);
                tasks.spawn(wrap_up(api, interaction, self.mind, random));
            }
            "AgentOfferContactRona" | "AgentContactAssignFailed" => {
                tasks.spawn(come_back(api, random));
            }
            "AgentReloginSuccess" => self.resume(push, tasks),
            _ => tracing::trace!(agent = %self.seat.name, kind, "push"),
        }
    }

    /// The first frame of every connection: goes on with what is in hand.
    fn resume(&mut self, push: &Value, tasks: &mut JoinSet<()>) {
        let state = push.get("state").and_then(Value::as_str).unwrap_or_default();
        if state == "not_responding" {
            tasks.spawn(come_back(self.api.clone(), self.random.fork()));
        }
        let in_hand =
            push.get("interactions").and_then(Value::as_array).cloned().unwrap_or_default();
        for item in in_hand {
            let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
            let (interaction, channel) = (text("interactionId").to_owned(), text("channelType"));
            let api = self.api.clone();
            let random = self.random.fork();
            let voice = channel == "voice";
            self.channels.insert(interaction.clone(), channel.to_owned());
            match text("state") {
                "offered" if !voice => {
                    tasks.spawn(take(api, interaction, self.mind, random));
                }
                "connected" | "hold" => {
                    tasks.spawn(converse(api, interaction, voice, Vec::new(), self.mind, random));
                }
                "wrapup" => {
                    tasks.spawn(wrap_up(api, interaction, self.mind, random));
                }
                _ => {}
            }
        }
    }
}

async fn listen(api: &Api, after: u64) -> Result<Pushes, AgentError> {
    let base = api.base.replacen("http", "ws", 1);
    let query = if after > 0 { format!("?after={after}") } else { String::new() };
    let mut request =
        format!("{base}/v1/agents/notifications{query}").into_client_request().map_err(Box::new)?;
    if let Ok(value) = format!("Bearer {}", api.token).parse() {
        request.headers_mut().insert("authorization", value);
    }
    let (socket, _) = tokio_tungstenite::connect_async(request).await.map_err(Box::new)?;
    Ok(socket)
}

async fn pause(random: &mut Random, (low, high): (u64, u64)) {
    sleep(Duration::from_millis(random.between(low, high))).await;
}

async fn take(api: Api, interaction: String, mind: AgentMind, mut random: Random) {
    if random.chance(mind.no_answer_percent) {
        api.tally.note(|totals| totals.phone_ignored += 1);
        return;
    }
    pause(&mut random, mind.answer_ms).await;
    api.tell(Method::POST, &format!("/v1/tasks/{interaction}/accept"), json!({})).await;
}

async fn converse(
    api: Api,
    interaction: String,
    voice: bool,
    queues: Vec<String>,
    mind: AgentMind,
    mut random: Random,
) {
    if !voice {
        for text in ["Hello, how can I help?", "Let me look that up.", "Here you are."] {
            let path = format!("/v1/tasks/{interaction}/messages");
            api.tell(Method::POST, &path, json!({"text": text})).await;
            pause(&mut random, (300, 1_500)).await;
        }
    }
    pause(&mut random, mind.talk_ms).await;
    if random.chance(mind.transfer_percent)
        && let Some(queue) = random.pick(&queues)
    {
        api.tally.note(|totals| totals.transfers += 1);
        let body = json!({"to": queue, "destinationType": "queue"});
        api.tell(Method::POST, &format!("/v1/tasks/{interaction}/transfer"), body).await;
        return;
    }
    api.tell(Method::POST, &format!("/v1/tasks/{interaction}/end"), json!({})).await;
}

async fn wrap_up(api: Api, interaction: String, mind: AgentMind, mut random: Random) {
    pause(&mut random, mind.wrapup_ms).await;
    api.tell(Method::POST, &format!("/v1/tasks/{interaction}/wrapup"), json!({})).await;
}

async fn come_back(api: Api, mut random: Random) {
    pause(&mut random, (1_000, 3_000)).await;
    api.available().await;
}
