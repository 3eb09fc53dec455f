//! The demo's organization, put through the public configuration door.

use ledgerline_access::Role;
use reqwest::Client;
use serde_json::{Value, json};

use super::Against;
use crate::failure::Failure;
use crate::output::say;

const FILE: &str = include_str!("organization.toml");

/// Numbers that customers call, with weights.
pub(super) const NUMBERS: &[(&str, u32)] =
    &[("1001", 40), ("1002", 35), ("1003", 15), ("1004", 10)];
/// Where chats come in.
pub(super) const CHAT_ENTRY_POINT: &str = "Web page";

/// Agents by name with the team each logs in to: 30 in 4 teams.
pub(super) fn agents() -> Vec<(String, &'static str)> {
    let teams =
        [("Berlin calls", 10), ("Osaka calls", 8), ("Osaka chats", 6), ("Berlin all-round", 6)];
    let seats = teams.iter().flat_map(|(team, count)| std::iter::repeat_n(*team, *count));
    seats.enumerate().map(|(at, team)| (format!("agent-{:02}", at + 1), team)).collect()
}

/// Puts every entity; what is there already stays.
pub(super) async fn apply(against: &Against) -> Result<(), Failure> {
    let mut file: Value = toml::from_str(FILE).map_err(Failure::software)?;
    let users: Vec<Value> =
        agents().iter().map(|(name, team)| json!({"name": name, "teams": [team]})).collect();
    if let Value::Object(kinds) = &mut file {
        kinds.insert("user".to_owned(), Value::Array(users));
    }
    let token = against.token(Role::Administrator, None, "demo-setup")?;
    let response = Client::new()
        .post(format!("{}/v1/config/apply", against.base()))
        .bearer_auth(token)
        .json(&file)
        .send()
        .await
        .map_err(Failure::unavailable)?;
    let status = response.status();
    let report: Value = response.json().await.map_err(Failure::unavailable)?;
    let count = |name: &str| report.get(name).and_then(Value::as_array).map_or(0, Vec::len);
    if !status.is_success() || count("failed") > 0 {
        return Err(Failure::config(format!("the demo's organization was not taken: {report}")));
    }
    say(&format!(
        "demo organization: {} entities put, {} were there",
        count("created") + count("updated"),
        count("unchanged")
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_thirty_agents_in_four_teams() {
        let agents = agents();
        assert_eq!(agents.len(), 30);
        let teams: std::collections::BTreeSet<_> = agents.iter().map(|(_, team)| team).collect();
        assert_eq!(teams.len(), 4);
        assert!(toml::from_str::<Value>(FILE).is_ok());
    }
}
