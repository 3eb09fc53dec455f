//! What every leg shares.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ledgerline_event_store::crypt::{Binding, KeyRing};
use ledgerline_schemas::Sensitive;
use ledgerline_schemas::id::{OrgId, SubjectId};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::VoiceConfig;
use super::media::library::Library;
use super::media::ports::PortPool;
use super::media::session::{MediaEvent, Session};
use super::media::ticker::Ticker;
use super::outbox::Outbox;
use super::port::{CommandPort, Numbers};
use super::registry::Registry;
use super::sip::gate::Refusal;
use super::sip::port::SipPort;
use crate::card_filter::Masked;

/// One organization, without its effects.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) org_id: OrgId,
    pub(super) commands: Arc<dyn CommandPort>,
    pub(super) numbers: Option<Numbers>,
}

/// What every leg shares.
pub(super) struct Edge {
    pub(super) config: VoiceConfig,
    pub(super) sip: Arc<dyn SipPort>,
    pub(super) doors: Vec<Door>,
    pub(super) registry: Arc<Registry>,
    pub(super) library: Library,
    pub(super) ports: PortPool,
    pub(super) ticker: Arc<Ticker>,
    pub(super) keyring: KeyRing,
    pub(super) refusals: UnboundedSender<Refusal>,
    /// Legs and what they still have to say; shutdown waits for them.
    pub(super) tasks: TaskTracker,
    /// Cancelled when no new call is taken and the live ones end.
    pub(super) draining: CancellationToken,
    pub(super) calls: Arc<AtomicUsize>,
}

impl Edge {
    /// Opens the media of a leg.
    pub(super) async fn open_media(
        &self,
    ) -> std::io::Result<(Arc<Session>, UnboundedReceiver<MediaEvent>)> {
        let (sender, events) = unbounded_channel();
        let socket = self.ports.bind()?;
        let ip: IpAddr = self.config.public_ip;
        let session = Session::open(socket, ip, self.config.rtp_timeout, sender).await?;
        self.ticker.add(&session);
        Ok((session, events))
    }

    /// The organizations that may have a number, in their order.
    pub(super) fn doors_of<'a>(&'a self, number: &'a str) -> impl Iterator<Item = &'a Door> {
        self.doors
            .iter()
            .filter(move |door| door.numbers.as_ref().is_none_or(|belongs| belongs(number)))
    }

    /// A queue to the engine of an organization.
    pub(super) fn outbox(&self, door: &Door) -> Outbox {
        Outbox::new(Arc::clone(&door.commands), &self.tasks)
    }

    /// Seals a text of a person; `None`, and a word in the log, if it cannot be sealed.
    pub(super) async fn sealed(
        &self,
        org_id: OrgId,
        subject: SubjectId,
        binding: Binding,
        text: Masked,
    ) -> Option<Sensitive<String>> {
        let (keyring, text) = (self.keyring.clone(), text.into_string());
        let sealed =
            tokio::task::spawn_blocking(move || keyring.seal(org_id, subject, binding, &text))
                .await;
        match sealed {
            Ok(Ok(sealed)) => Some(sealed),
            Ok(Err(error)) => {
                tracing::error!(%error, "an input was not sealed and is not kept");
                None
            }
            Err(_) => None,
        }
    }

    /// Takes a place among the calls; `None` if all are taken.
    pub(super) fn enter(&self) -> Option<CallPlace> {
        let max = self.config.max_calls;
        let entered = self.calls.fetch_update(Ordering::AcqRel, Ordering::Acquire, |calls| {
            (calls < max).then_some(calls + 1)
        });
        let before = entered.ok()?;
        metrics::gauge!("ledgerline_voice_calls_active").set(before as f64 + 1.0);
        Some(CallPlace { calls: Arc::clone(&self.calls) })
    }
}

/// A place among the calls; free again when dropped.
pub(super) struct CallPlace {
    calls: Arc<AtomicUsize>,
}

impl Drop for CallPlace {
    fn drop(&mut self) {
        let before = self.calls.fetch_sub(1, Ordering::AcqRel);
        metrics::gauge!("ledgerline_voice_calls_active").set(before.saturating_sub(1) as f64);
    }
}
