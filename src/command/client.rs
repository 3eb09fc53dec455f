//! A running server, asked over HTTP.

use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;

use crate::cli::Target;
use crate::failure::Failure;

/// Text as a part of a path or a query.
pub(crate) fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// A server and the token for it.
pub(crate) struct Server {
    client: Client,
    base: String,
    token: String,
}

impl Server {
    /// The server of `--server`, if one was named.
    pub(crate) fn of(target: &Target) -> Result<Option<Self>, Failure> {
        let Some(server) = &target.server else { return Ok(None) };
        let token = target.token.clone().ok_or_else(|| {
            Failure::denied(
                "--server needs --token (or LEDGERLINE_TOKEN); `ledgerline token` makes one",
            )
        })?;
        let base = server.trim_end_matches('/').to_owned();
        Ok(Some(Self { client: Client::new(), base, token }))
    }

    /// A server by its address.
    pub(crate) fn at(base: &str, token: &str) -> Self {
        Self { client: Client::new(), base: base.to_owned(), token: token.to_owned() }
    }

    /// Sends text; as [`Server::ask`].
    pub(crate) async fn send_text(&self, path: &str, text: String) -> Result<Response, Failure> {
        let request = self.request(Method::POST, path).header("content-type", "text/plain");
        self.answer(request.body(text)).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    /// Asks; an answer that is no success becomes a failure with the server's own words.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        body: Option<Value>,
    ) -> Result<Response, Failure> {
        let mut request = self.request(method, path).header("accept", accept);
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.answer(request).await
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request
            .send()
            .await
            .map_err(|error| Failure::unavailable(format!("{}: {error}", self.base)))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        let detail = serde_json::from_str::<Value>(&text)
            .ok()
            .and_then(|problem| problem.get("detail").and_then(Value::as_str).map(str::to_owned))
            .unwrap_or(text);
        let message = format!("the server answered {status}: {detail}");
        Err(match status.as_u16() {
            401 | 403 => Failure::denied(message),
            400..=499 => Failure::data(message),
            _ => Failure::unavailable(message),
        })
    }
}
