//! The product's KurrentDB endpoint over an embedded log, in a process of its own.
//!
//! Who comes in is not what is measured: one token is let in by comparison. The product checks the
//! signature of a token at each call, too.

use std::path::Path;
use std::sync::Arc;

use ledgerline_event_store::kurrent::{
    Authorizer, Caller, Config, Credentials, Logs, NoRules, Unauthorized, serve as serve_endpoint,
};
use ledgerline_event_store::{EmbeddedLog, EventWriter, Options};
use ledgerline_schemas::id::OrgId;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::outcome::Outcome;
use crate::stores::kurrent::TOKEN;
use crate::stores::ledgerline::ORG;

/// Most connections at once.
const CONNECTIONS_MAX: usize = 64;

#[derive(Debug)]
struct OneToken;

impl Authorizer for OneToken {
    fn authorize(&self, credentials: &Credentials) -> Result<Caller, Unauthorized> {
        match credentials {
            Credentials::Bearer(token) if token == TOKEN => Ok(Caller {
                org_id: ORG,
                subject: "bench".to_owned(),
                may_read: true,
                may_append: true,
                valid_for: None,
            }),
            _ => Err(Unauthorized::Credentials("another token is measured".to_owned())),
        }
    }
}

#[derive(Debug)]
struct OneLog(Arc<dyn EventWriter>);

impl Logs for OneLog {
    fn log(&self, org_id: OrgId) -> Option<Arc<dyn EventWriter>> {
        (org_id == ORG).then(|| Arc::clone(&self.0))
    }
}

/// Serves a log until SIGINT.
pub(crate) async fn serve(directory: &Path, address: &str) -> Outcome<()> {
    let log = EmbeddedLog::open(directory, ORG, Options::default())?;
    let config = Config {
        listen: address.parse()?,
        tls: None,
        connections_max: CONNECTIONS_MAX,
        groups: None,
    };
    let close = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let server = serve_endpoint(
        config,
        Arc::new(OneToken),
        Arc::new(OneLog(Arc::new(log))),
        Arc::new(NoRules),
        close.clone(),
    )
    .await?;
    interrupt.recv().await;
    close.cancel();
    server.task.await?;
    Ok(())
}
