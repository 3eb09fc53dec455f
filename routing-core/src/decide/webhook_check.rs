//! The form of a webhook's subscription. Whether its secrets exist and its host may be reached is for who sends.

use ledgerline_schemas::config::WebhookSubscription;
use ledgerline_schemas::webhook;

use super::config_check::invalid;
use super::schedule_check::{check_reference, check_url};
use crate::rejection::Rejection;

/// Entries of `event_types`.
const TYPES_MAX: usize = 50;
/// Keys that are valid at once.
const SECRETS_MAX: usize = 2;
/// Longest description, bytes.
const TEXT_BYTES_MAX: usize = 500;

pub(super) fn check(subscription: &WebhookSubscription) -> Result<(), Rejection> {
    if subscription.description.len() > TEXT_BYTES_MAX {
        return Err(invalid(format!("description: is longer than {TEXT_BYTES_MAX} bytes")));
    }
    check_url(&subscription.url).map_err(|reason| invalid(format!("url: {reason}")))?;
    let types = &subscription.event_types;
    if types.is_empty() {
        return Err(invalid("event_types: name at least one"));
    }
    if types.len() > TYPES_MAX {
        let found = types.len();
        return Err(invalid(format!("event_types: has {found}, the limit is {TYPES_MAX}")));
    }
    for (index, pattern) in types.iter().enumerate() {
        if !webhook::is_known(pattern) {
            let resources = webhook::RESOURCES.map(|it| format!("{it}.*")).join(", ");
            return Err(invalid(format!(
                "event_types[{index}]: {pattern:?} is not known; all of a resource are {resources}"
            )));
        }
        if types.iter().take(index).any(|other| other == pattern) {
            return Err(invalid(format!("event_types[{index}]: is there twice")));
        }
    }
    let secrets = &subscription.secrets;
    if secrets.is_empty() || secrets.len() > SECRETS_MAX {
        let found = secrets.len();
        return Err(invalid(format!("secrets: has {found}, name one or {SECRETS_MAX}")));
    }
    for (index, name) in secrets.iter().enumerate() {
        check_reference(name).map_err(|reason| invalid(format!("secrets[{index}]: {reason}")))?;
        if secrets.iter().take(index).any(|other| other == name) {
            return Err(invalid(format!("secrets[{index}]: is there twice")));
        }
    }
    let timeout_ms = subscription.timeout_ms;
    if !(1_000..=30_000).contains(&timeout_ms) {
        return Err(invalid(format!("timeout_ms: is {timeout_ms}, must be 1000 to 30000")));
    }
    let max_in_flight = subscription.max_in_flight;
    if !(1..=32).contains(&max_in_flight) {
        return Err(invalid(format!("max_in_flight: is {max_in_flight}, must be 1 to 32")));
    }
    Ok(())
}
