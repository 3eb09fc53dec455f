//! `ledgerline replay INTERACTION`.

use std::path::Path;

use ledgerline_analyzer_api::history;
use ledgerline_schemas::Event;
use ledgerline_schemas::event::access::AccessHistoryViewed;
use ledgerline_schemas::id::InteractionId;
use reqwest::Method;

use crate::cli::Replay;
use crate::command::client::Server;
use crate::command::local::LocalOrganization;
use crate::failure::Failure;
use crate::output::print;

/// Shows every step: time, actor, what and why.
pub(crate) async fn run(arguments: Replay) -> Result<(), Failure> {
    let interaction_id: InteractionId = arguments
        .interaction
        .parse()
        .map_err(|error| Failure::data(format!("INTERACTION is not an id: {error}")))?;
    if let Some(server) = Server::of(&arguments.target)? {
        let path = format!("/v1/interactions/{interaction_id}/history");
        let accept = if arguments.json { "application/json" } else { "text/plain" };
        let response = server.ask(Method::GET, &path, accept, None).await?;
        print(&response.text().await.map_err(Failure::unavailable)?);
        return Ok(());
    }
    let data = arguments.target.data.as_deref().unwrap_or(Path::new("./ledgerline-data"));
    let organization = LocalOrganization::open(data, arguments.target.org.as_deref()).await?;
    let steps = history::of(&*organization.log, interaction_id).map_err(Failure::software)?;
    let viewed = AccessHistoryViewed { principal: "operator".to_owned(), interaction_id };
    organization.record(&Event::from(viewed)).await?;
    organization.close().await;
    if steps.is_empty() {
        return Err(Failure::data(format!("there is no interaction {interaction_id}")));
    }
    if arguments.json {
        let text = serde_json::to_string_pretty(&steps).map_err(Failure::software)?;
        print(&format!("{text}\n"));
    } else {
        print(&history::render(&steps));
    }
    Ok(())
}
