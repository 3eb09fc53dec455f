//! Reports by name: those of the organization's configuration, then the stock ones.

use datafusion::arrow::array::AsArray;
use ledgerline_access::Principal;
use ledgerline_schemas::config::report::ReportDefinition;
use tokio_util::sync::CancellationToken;

use super::error::ReportError;
use super::stock;
use crate::analyzer::{AnalyzerState, Bounds, Door, Question};
use crate::error::QueryError;
use crate::past::Moment;

const SAVED: &str = "select arrow_cast(document, 'Utf8') from config_entity \
    where kind = 'report_definition' and is_active and not is_deleted order by name";

/// Where a definition comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The organization's configuration.
    Saved,
    /// It comes with the product.
    Stock,
}

/// All reports a principal could run by name at a moment. A saved one takes the place of a stock one of its name.
///
/// # Errors
/// [`ReportError::Query`] when the configuration cannot be read.
pub async fn all(
    state: &AnalyzerState,
    principal: &Principal,
    door: Door,
    as_of: Option<Moment>,
) -> Result<Vec<(Origin, ReportDefinition)>, ReportError> {
    let answer = state
        .ask(Question {
            principal: principal.clone(),
            door,
            sql: SAVED.to_owned(),
            parameters: None,
            as_of,
            bounds: Bounds::default(),
            cancel: CancellationToken::new(),
            backend_pid: 0,
        })
        .await;
    let mut answer = match answer {
        Ok(answer) => Some(answer),
        // A user profile without the configuration: what comes with the product can be run all the same.
        Err(QueryError::Table(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let mut reports = Vec::new();
    while let Some(answer) = &mut answer
        && let Some(batch) = answer.next().await
    {
        let batch = batch?;
        let documents = batch.column(0).as_string::<i32>();
        // A document of before definitions were checked may be none; it is no report.
        let parsed = documents.iter().flatten().filter_map(|text| serde_json::from_str(text).ok());
        reports.extend(parsed.map(|definition: ReportDefinition| (Origin::Saved, definition)));
    }
    let own: Vec<String> = reports.iter().map(|(_, it)| it.name.clone()).collect();
    let others = stock::all().iter().filter(|stock| !own.contains(&stock.name));
    reports.extend(others.map(|stock| (Origin::Stock, stock.clone())));
    Ok(reports)
}

/// One report by its name, upper and lower case alike; spaces may be written as `-`. Of a moment its definition is the
/// one it had then.
///
/// # Errors
/// [`ReportError::Unknown`], [`ReportError::UnknownThen`], [`ReportError::Query`].
pub async fn by_name(
    state: &AnalyzerState,
    principal: &Principal,
    door: Door,
    name: &str,
    as_of: Option<Moment>,
) -> Result<ReportDefinition, ReportError> {
    let wanted = folded(name);
    let all = all(state, principal, door, as_of).await?;
    let found = all.into_iter().find(|it| folded(&it.1.name) == wanted);
    let unknown = if as_of.is_some() { ReportError::UnknownThen } else { ReportError::Unknown };
    found.map(|(_, definition)| definition).ok_or_else(|| unknown(name.to_owned()))
}

/// The form in which names are compared, and a name in file names and addresses.
#[must_use]
pub fn folded(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '_'], "-")
}
