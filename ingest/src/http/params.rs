//! Path and query parameters, refused by name.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use ledgerline_schemas::config::EntityKind;
use serde::de::DeserializeOwned;

use crate::http::doors::Organization;
use crate::http::port::{EntityKey, EntityView};
use crate::http::problem::Problem;

/// Query parameters read into a type that refuses unknown ones.
#[derive(Clone, Debug)]
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Query::<T>::try_from_uri(&parts.uri)
            .map(|Query(value)| Self(value))
            .map_err(|error| Problem::invalid("query", error.body_text()))
    }
}

/// Reads an id of the path; what is no UUID names nothing.
///
/// # Errors
/// 404.
pub fn path_id<T: FromStr>(what: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::not_found(format!("no {what} has the id {text:?}")))
}

/// The entity that a body field names by id or name.
///
/// # Errors
/// 422 naming the field if there is no such entity, or what the engine says.
pub async fn named_entity(
    organization: &Organization,
    kind: EntityKind,
    field: &str,
    text: &str,
) -> Result<EntityView, Problem> {
    organization
        .engine
        .entity(kind, EntityKey::parse(text))
        .await?
        .ok_or_else(|| no_entity(kind, field, text))
}

/// The refusal of a body field that names no entity, or none that the caller may know of.
#[must_use]
pub fn no_entity(kind: EntityKind, field: &str, text: &str) -> Problem {
    Problem::invalid(field, format!("no {} {text:?} exists", kind.name()))
}
