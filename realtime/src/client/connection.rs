//! A connection with one subscription, opened again when it breaks.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{ClientError, Options};
use crate::frame::ServerFrame;
use crate::request::{Request, Subscribe};
use crate::ws::{CLOSE_FORBIDDEN, CLOSE_UNAUTHORIZED};

/// Wait before the first attempt after a connection broke.
const WAIT: Duration = Duration::from_millis(100);
/// The client's name for its one subscription.
const ID: &str = "1";

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

#[derive(Debug)]
pub(super) struct Connection {
    socket: Option<Socket>,
    is_subscribed: bool,
    /// Attempts since a frame came.
    attempts: u32,
}

impl Connection {
    pub(super) async fn open(options: &Options) -> Result<Self, ClientError> {
        let socket = connect(options).await?;
        Ok(Self { socket: Some(socket), is_subscribed: false, attempts: 0 })
    }

    /// Gives the connection up.
    pub(super) fn close(&mut self) {
        self.socket = None;
        self.is_subscribed = false;
    }

    /// The next frame of the subscription, which is made if there is none.
    pub(super) async fn frame(
        &mut self,
        wanted: Subscribe,
        options: &Options,
    ) -> Result<ServerFrame, ClientError> {
        let wanted = Request::Subscribe(Subscribe { id: ID.to_owned(), ..wanted });
        loop {
            let Some(socket) = &mut self.socket else {
                sleep(self.wait(options.wait_max)).await;
                self.attempts = self.attempts.saturating_add(1);
                match connect(options).await {
                    Ok(socket) => self.socket = Some(socket),
                    Err(ClientError::Unreachable(reason)) => {
                        tracing::debug!(reason, "the server cannot be reached");
                    }
                    Err(error) => return Err(error),
                }
                continue;
            };
            if !self.is_subscribed {
                let text = serde_json::to_string(&wanted).unwrap_or_default();
                if socket.feed(Message::text(text)).await.is_err() {
                    self.close();
                    continue;
                }
                self.is_subscribed = true;
            }
            // Every time: whoever waits for the frame may have been dropped in the middle of this.
            if socket.flush().await.is_err() {
                self.close();
                continue;
            }
            let Ok(message) = timeout(options.silence_max, socket.next()).await else {
                self.close();
                continue;
            };
            match message {
                Some(Ok(Message::Text(text))) => {
                    self.attempts = 0;
                    let frame = serde_json::from_str(&text)
                        .map_err(|error| ClientError::Protocol(error.to_string()))?;
                    if let ServerFrame::Error { code, message, .. } = frame {
                        return Err(ClientError::Refused { code, message: message.into_owned() });
                    }
                    return Ok(frame);
                }
                Some(Ok(Message::Close(Some(why))))
                    if [CLOSE_UNAUTHORIZED, CLOSE_FORBIDDEN].contains(&why.code.into()) =>
                {
                    return Err(ClientError::Token(why.reason.to_string()));
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => self.close(),
                Some(Ok(_)) => {}
            }
        }
    }

    /// Twice as long after every attempt, and up to half more, so that many clients do not come at once.
    fn wait(&self, longest: Duration) -> Duration {
        let wait = WAIT.saturating_mul(1 << self.attempts.min(16)).min(longest);
        let mut random = [0];
        // Without random bytes all clients wait alike.
        let _ = getrandom::fill(&mut random);
        wait + wait.mul_f64(f64::from(random[0]) / 512.0)
    }
}

async fn connect(options: &Options) -> Result<Socket, ClientError> {
    let Some(host) = options.base.strip_prefix("http://") else {
        return Err(ClientError::Base(options.base.clone()));
    };
    let url = format!("ws://{}/v1/realtime", host.trim_end_matches('/'));
    let mut request =
        url.into_client_request().map_err(|_| ClientError::Base(options.base.clone()))?;
    let value = format!("Bearer {}", options.token).parse();
    let value = value.map_err(|_| ClientError::Token("it is not ASCII".to_owned()))?;
    request.headers_mut().insert("authorization", value);
    match connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(answer)) if matches!(answer.status().as_u16(), 401 | 403) => {
            Err(ClientError::Token(answer.status().to_string()))
        }
        Err(error) => Err(ClientError::Unreachable(error.to_string())),
    }
}
