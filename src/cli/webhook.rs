//! `ledgerline webhook`.

use clap::{Args, Subcommand};

use super::Target;

/// Subscriptions of webhooks, which a serving process sends to.
#[derive(Debug, Args)]
pub(crate) struct Webhook {
    #[command(subcommand)]
    pub(crate) verb: WebhookVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WebhookVerb {
    /// How far each subscription has come, and what holds it up.
    List {
        #[command(flatten)]
        target: Target,
    },
    /// Send a test event now.
    Test {
        /// Name or id of the webhook_subscription.
        subscription: String,
        #[command(flatten)]
        target: Target,
    },
    /// Send again to an endpoint that was disabled, and try at once what waits.
    Enable {
        /// Name or id of the webhook_subscription.
        subscription: String,
        #[command(flatten)]
        target: Target,
    },
    /// Events that were given up.
    DeadLetters {
        /// Name or id of the webhook_subscription.
        subscription: String,
        #[command(flatten)]
        target: Target,
    },
    /// Send dead letters again.
    Replay {
        /// Name or id of the webhook_subscription.
        subscription: String,
        /// Positions of the events; all dead letters without.
        #[arg(long = "position", value_name = "POSITION")]
        positions: Vec<u64>,
        #[command(flatten)]
        target: Target,
    },
}
