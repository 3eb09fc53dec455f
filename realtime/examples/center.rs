//! The small center of the tests as a program, for clients in other languages: `cargo xtask realtime-clients`.
//! Prints its addresses, without TLS and with it, and serves until its input ends.

#[path = "../tests/center/mod.rs"]
mod center;
#[path = "../tests/center/tls.rs"]
mod tls;

use std::io::Write as _;

use axum::response::Html;
use axum::routing::get;
use tokio::io::AsyncReadExt as _;

/// A page that follows a dataset in more streams than a browser has connections over HTTP/1.1.
const STREAMS: &str = include_str!("../../tests/clients/realtime/streams.html");

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let center = center::Center::new(ledgerline_realtime::Limits::default());
    let address = center.serve().await;
    let page = get(async || Html(STREAMS));
    let (secure, _) = tls::serve(center.router().route("/streams.html", page)).await;
    writeln!(std::io::stdout(), "http://{address} https://{secure}")?;
    let mut rest = Vec::new();
    tokio::io::stdin().read_to_end(&mut rest).await?;
    Ok(())
}
