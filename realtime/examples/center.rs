//! The small center of the tests as a program, for clients in other languages: `cargo xtask realtime-clients`.
//! Prints its address and serves until its input ends.

#[path = "../tests/center/mod.rs"]
mod center;

use std::io::Write as _;

use tokio::io::AsyncReadExt as _;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let center = center::Center::new(ledgerline_realtime::Limits::default());
    let address = center.serve().await;
    writeln!(std::io::stdout(), "http://{address}")?;
    let mut rest = Vec::new();
    tokio::io::stdin().read_to_end(&mut rest).await?;
    Ok(())
}
