//! The search: a GraphQL door with the queries and field names that integrators know.
//!
//! The schema is made from the columns of our compatibility views ([`kind`], [`schema`]). A query becomes one
//! SQL question a page and one for the activities below it ([`compile`], [`run`]), asked as every other question
//! is: of one organization, one principal, one snapshot, through the one governor, each an access event. What a
//! client writes as a value is a parameter of that SQL, never a part of its text.
//!
//! **Invariants**
//!
//! * All questions of a request read one snapshot; its position is in the answer.
//! * What a request may cost is known before its first question: nesting and size of the text, number of fields with
//!   fragments expanded, number of questions ([`cost`]).
//! * The text of a question is made of names of ours and numbers of parameters.

mod arguments;
mod asking;
mod compile;
mod cost;
mod cursor;
mod filter;
mod kind;
mod order;
mod record;
mod run;
mod schema;
mod selection;

use std::sync::Arc;

use async_graphql::{Pos, Request, Response, Value};
use ledgerline_access::Principal;
use ledgerline_schemas::Position;

use crate::analyzer::AnalyzerState;
use crate::error::QueryError;
use asking::Asking;

/// An answer and the position of the log at which it is true; without one when nothing was asked.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) response: Response,
    pub(crate) position: Option<Position>,
    /// Whether the request was understood: it may still hold errors of single fields.
    pub(crate) understood: bool,
}

/// The schema in GraphQL's own language, as `docs/search.graphql` has it.
///
/// # Errors
/// [`QueryError::Internal`] when the schema cannot be made.
pub fn sdl() -> Result<String, QueryError> {
    Ok(schema::schema()?.sdl())
}

/// Answers a request of somebody who may ask.
pub(crate) async fn answer(
    state: &AnalyzerState,
    principal: Principal,
    mut request: Request,
) -> Result<Found, QueryError> {
    let schema = schema::schema()?;
    let asking = Arc::new(Asking::new(state.clone(), principal));
    if let Err(error) = cost::check(&mut request) {
        asking.refused(&request.query, &error).await;
        let mut failed = asking::told(&error).into_server_error(Pos::default());
        failed.locations.clear();
        if let QueryError::Syntax { place: Some((line, column)), .. } = error {
            let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
            failed.locations.push(Pos { line: place(line), column: place(column) });
        }
        let response = Response::from_errors(vec![failed]);
        return Ok(Found { response, position: None, understood: false });
    }
    let (text, keys) = (request.query.clone(), order::keys(&mut request));
    let mut response = schema.execute(request.data(Arc::clone(&asking))).await;
    response.data = order::arranged(response.data, &keys);
    for error in &mut response.errors {
        let values = error.extensions.get_or_insert_default();
        if values.get("code").is_none() {
            // Without a place in the answer it is what the schema refuses: unknown fields, wrong types, variables
            // that are not there.
            let kind = if error.path.is_empty() { QueryError::Plan } else { QueryError::Internal };
            values.set("code", kind(String::new()).code());
        }
    }
    if let Some(first) = response.errors.first()
        && asking.questions() == 0
    {
        asking.refused(&text, &QueryError::Plan(first.message.clone())).await;
    }
    let understood = response.errors.is_empty() || response.data != Value::Null;
    let position = asking.position().await;
    if let Some(position) = position {
        response.extensions.insert("position".to_owned(), Value::from(position.0));
    }
    Ok(Found { response, position, understood })
}
