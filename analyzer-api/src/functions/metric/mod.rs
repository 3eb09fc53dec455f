//! Contact-center metrics over legs and over intervals of agents.

mod columns;
mod concurrency;
mod mean;
mod occupancy;
mod share;
mod span;
mod state_duration;
mod time_weighted;

use std::sync::Arc;

use datafusion::logical_expr::AggregateUDF;

use super::fold::aggregate;
use super::spec::Spec;

/// The aggregates of this module.
pub(super) fn aggregates() -> Vec<Arc<AggregateUDF>> {
    vec![
        aggregate::<share::Share<share::Aws>>(),
        aggregate::<share::Share<share::Genesys>>(),
        aggregate::<share::Share<share::EightByEight>>(),
        aggregate::<share::Share<share::AbandonRate>>(),
        aggregate::<mean::Mean<mean::Asa>>(),
        aggregate::<mean::Mean<mean::AsaQueued>>(),
        aggregate::<mean::Mean<mean::Aht>>(),
        aggregate::<concurrency::MaxConcurrent>(),
        aggregate::<time_weighted::TimeWeighted>(),
        aggregate::<state_duration::StateDuration>(),
        aggregate::<occupancy::Occupancy<false>>(),
        aggregate::<occupancy::Occupancy<true>>(),
    ]
}

/// Their descriptions.
pub(super) fn specs() -> [&'static Spec; 12] {
    [
        &share::SL_AWS,
        &share::SL_GENESYS,
        &share::SL_8X8,
        &share::ABANDON_RATE,
        &mean::ASA,
        &mean::ASA_QUEUED,
        &mean::AHT,
        &concurrency::SPEC,
        &time_weighted::SPEC,
        &state_duration::SPEC,
        &occupancy::WALL,
        &occupancy::WEIGHTED,
    ]
}
