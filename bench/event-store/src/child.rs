//! Every measurement runs in a process of its own: its memory and processor time are nobody else's, and
//! what fails takes only its own row with it.

use std::process::Stdio;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::measure::{append, replay, restart, subscribe};
use crate::outcome::Outcome;

/// What a child measures.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    Append(append::Spec),
    Subscribe(subscribe::Spec),
    Fill(replay::FillSpec),
    Read(replay::ReadSpec),
    Verify(replay::ReadSpec),
    Open(restart::Spec),
}

/// Runs a task in a child and reads its answer; kills it when it takes too long.
pub(crate) async fn run<T: DeserializeOwned>(task: &Task, most: Duration) -> Outcome<T> {
    let child = Command::new(std::env::current_exe()?)
        .arg("measure")
        .arg(serde_json::to_string(task)?)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = tokio::time::timeout(most, child.wait_with_output())
        .await
        .map_err(|_| format!("not done after {} s", most.as_secs()))??;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().next_back().unwrap_or("nothing").to_owned();
        return Err(format!("{}: {last}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The child's side: the answer as JSON.
pub(crate) async fn measure(task: &str) -> Outcome<String> {
    Ok(match serde_json::from_str(task)? {
        Task::Append(spec) => serde_json::to_string(&append::measure(&spec).await?)?,
        Task::Subscribe(spec) => serde_json::to_string(&subscribe::measure(&spec).await?)?,
        Task::Fill(spec) => serde_json::to_string(&replay::fill(&spec).await?)?,
        Task::Read(spec) => serde_json::to_string(&replay::read(&spec).await?)?,
        Task::Verify(spec) => serde_json::to_string(&replay::verify(&spec)?)?,
        Task::Open(spec) => serde_json::to_string(&restart::open(&spec)?)?,
    })
}
