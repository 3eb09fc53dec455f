//! Webhooks: events of the log sent to the servers of integrators.
//!
//! [`Webhooks`] follows one organization's subscriptions, which are configuration, and runs an [`Endpoint`] for each: a
//! cursor over the log, never conflated ([docs/webhooks.md](../../../docs/webhooks.md),
//! [ADR 39](../../../docs/adr/0039-webhooks.md)).
//!
//! Invariants:
//! * at least once: an event is at every instant either not read yet, open, a dead letter, or done, in one file that is
//!   replaced as a whole; after a crash at most what was in flight is sent again, under the same id;
//! * of a stream (of an interaction, of an agent) an event is sent when the one before it is done, and not before;
//! * an endpoint that fails holds up no other, a stream that fails no other within bounds; what waits is bounded, for
//!   the log is the buffer;
//! * neither secrets, nor path and query of a URL, nor the other side's own words are in a status, an event, a log line.

pub mod api;
pub mod body;
pub mod dead_letter;
pub mod deliver;
pub mod endpoint;
pub mod journal;
pub mod outbox;
pub mod ports;
pub mod retry;
pub mod settings;
pub mod status;
pub mod subscriptions;

pub use api::{WebhookState, router};
pub use deliver::Sender;
pub use endpoint::{Endpoint, EndpointError, Parts};
pub use outbox::Bounds;
pub use ports::{Clock, Recording, SystemClock, WebhookRecorder};
pub use settings::WebhookSettings;
pub use status::SubscriptionStatus;
pub use subscriptions::Webhooks;
