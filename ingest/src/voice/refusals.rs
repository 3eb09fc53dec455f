//! Refusals become events: the first of its kind at once, the rest of the minute as one count.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ledgerline_event_store::crypt::{Binding, CryptError, KeyRing};
use ledgerline_schemas::command::{Command, Commanded};
use ledgerline_schemas::envelope::Actor;
use ledgerline_schemas::event::media::{EdgeRequestRefused, RefusalReason};
use ledgerline_schemas::id::{CommandId, CorrelationId, OrgId};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::outbox::Outbox;
use super::sip::gate::Refusal;

/// Refusals of one source and kind within this time are one event.
const WINDOW: Duration = Duration::from_secs(60);
/// Most sources and kinds told apart in a window; a flood of forged sources becomes one count.
const KINDS_MAX: usize = 256;

type Kind = (Option<IpAddr>, RefusalReason, u16, &'static str);

/// Records refusals until the senders are gone.
pub(super) struct Recorder {
    /// The organization that refusals belong to.
    pub(super) org_id: OrgId,
    /// The way to its engine.
    pub(super) outbox: Outbox,
    /// Seals the sources.
    pub(super) keyring: KeyRing,
}

impl Recorder {
    /// Runs until stopped, then records what was counted.
    pub(super) async fn run(
        self,
        mut refusals: UnboundedReceiver<Refusal>,
        stopped: CancellationToken,
    ) {
        let mut window: BTreeMap<Kind, u32> = BTreeMap::new();
        let mut interval = tokio::time::interval_at(Instant::now() + WINDOW, WINDOW);
        loop {
            tokio::select! {
                refusal = refusals.recv() => match refusal {
                    Some(refusal) => self.take(&mut window, refusal).await,
                    None => break,
                },
                () = stopped.cancelled() => break,
                _ = interval.tick() => self.flush(&mut window).await,
            }
        }
        while let Ok(refusal) = refusals.try_recv() {
            self.take(&mut window, refusal).await;
        }
        self.flush(&mut window).await;
    }

    async fn take(&self, window: &mut BTreeMap<Kind, u32>, refusal: Refusal) {
        let mut kind = (Some(refusal.source), refusal.reason, refusal.status, refusal.detail);
        if window.len() >= KINDS_MAX && !window.contains_key(&kind) {
            kind.0 = None;
        }
        match window.get_mut(&kind) {
            Some(count) => *count = count.saturating_add(1),
            None => {
                window.insert(kind, 0);
                self.record(kind, refusal.destination, 1).await;
            }
        }
    }

    async fn flush(&self, window: &mut BTreeMap<Kind, u32>) {
        for (kind, count) in std::mem::take(window) {
            if count > 0 {
                self.record(kind, None, count).await;
            }
        }
    }

    async fn record(&self, kind: Kind, destination: Option<String>, count: u32) {
        let (source, reason, status, detail) = kind;
        let (subject, source) = match source {
            Some(source) => self.sealed(source).await,
            None => (None, None),
        };
        // Not derived: each count is a fact of its own and is never offered again by another id.
        let id = Uuid::now_v7();
        self.outbox.push(Commanded {
            org_id: self.org_id,
            command_id: CommandId::new(id),
            correlation_id: CorrelationId::new(id),
            actor: Actor::system("voice"),
            traceparent: None,
            data_subject_id: subject,
            command: Command::RecordRefusal(EdgeRequestRefused {
                edge: "sip".to_owned(),
                reason,
                status,
                destination,
                source,
                detail: detail.to_owned(),
                count,
            }),
        });
    }

    async fn sealed(
        &self,
        source: IpAddr,
    ) -> (Option<ledgerline_schemas::id::SubjectId>, Option<ledgerline_schemas::Sensitive<String>>)
    {
        let (keyring, org_id) = (self.keyring.clone(), self.org_id);
        let sealed = tokio::task::spawn_blocking(move || {
            let text = source.to_string();
            let subject = keyring.subject_id(org_id, "ip", &text)?;
            Ok::<_, CryptError>((subject, keyring.seal(org_id, subject, Binding::source(), &text)?))
        });
        match sealed.await {
            Ok(Ok((subject, sealed))) => (Some(subject), Some(sealed)),
            // A refusal without its source is better than none.
            _ => (None, None),
        }
    }
}
