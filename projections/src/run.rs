//! The fold's thread: reads the log, folds, sends changes, shows snapshots.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use futures::executor::block_on;
use futures::future::{Either, select};
use ledgerline_event_store::{Direction, EventReader, Filter};
use ledgerline_schemas::{Position, Recorded};
use tokio::sync::watch;

use crate::change::ChangeBatch;
use crate::error::ProjectionError;
use crate::feed::Hub;
use crate::fold::Fold;
use crate::hot::Sink;
use crate::projections::{Options, Shared};
use crate::show::{self, ColdFiles, Schemas};
use crate::stop::Stop;

/// Events read at a time.
const PAGE_EVENTS: usize = 512;

/// The fold and everything its thread needs.
#[derive(Debug)]
pub(crate) struct Runner {
    shared: Arc<Shared>,
    fold: Fold,
    epoch: u64,
    schemas: Schemas,
    cold: ColdFiles,
    options: Options,
    /// When the newest snapshot was shown, and how long making it took.
    shown: Option<(Instant, Duration)>,
}

impl Runner {
    /// Opens the tables.
    pub(crate) fn open(
        reader: Arc<dyn EventReader>,
        _dir: PathBuf,
        options: Options,
    ) -> Result<Self, ProjectionError> {
        let mut fold = Fold::new(reader.org_id());
        let (schemas, cold) = (Schemas::new(), ColdFiles::new());
        let epoch = 1;
        let snapshot = show::snapshot(&mut fold, epoch, &schemas, &cold)?;
        let position = fold.position;
        let hub = Hub::new(position);
        let shared = Arc::new(Shared {
            reader,
            snapshot: ArcSwap::from_pointee(snapshot),
            published: watch::Sender::new(position),
            hub: Mutex::new(hub),
            stop: Stop::default(),
            ended: watch::Sender::new(None),
        });
        Ok(Self { shared, fold, epoch, schemas, cold, options, shown: None })
    }

    /// What handles share with this thread.
    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Runs until stopped or until something fails.
    pub(crate) fn run(mut self) {
        let outcome = self.follow();
        let shared = self.shared();
        // The tables are let go before anybody is told that they are.
        drop(self);
        if let Err(error) = &outcome {
            tracing::error!(%error, "the projections have stopped");
        }
        shared.hub().close();
        shared.ended.send_replace(Some(outcome.err().unwrap_or(ProjectionError::Stopped)));
    }

    fn follow(&mut self) -> Result<(), ProjectionError> {
        let mut head = self.shared.reader.watch_head();
        let mut stop = self.shared.stop.watch();
        loop {
            if self.shared.stop.is_asked() {
                return Ok(());
            }
            let known = *head.borrow_and_update();
            if self.fold.position < known {
                self.fold_page()?;
            }
            let caught_up = self.fold.position >= known;
            self.gauge(known);
            if self.is_unshown() {
                let rest = self.rest();
                if rest.is_zero() {
                    self.show()?;
                } else if caught_up {
                    self.shared.stop.wait(rest);
                }
            } else if caught_up {
                let (changed, stopped) =
                    (std::pin::pin!(head.changed()), std::pin::pin!(stop.changed()));
                if let Either::Left((Err(_), _)) = block_on(select(changed, stopped)) {
                    // The log is closed: nothing follows, and what is shown stays.
                    return Ok(());
                }
            }
        }
    }

    fn fold_page(&mut self) -> Result<(), ProjectionError> {
        let page = self.shared.reader.read_all(
            self.fold.position,
            Direction::Forward,
            &Filter::all(),
            PAGE_EVENTS,
        )?;
        self.fold_events(&page.events);
        Ok(())
    }

    fn fold_events(&mut self, events: &[Recorded]) {
        // Held while folding: who subscribes meanwhile hears everything after this batch.
        let mut hub = self.shared.hub.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let from = self.fold.position;
        let mut sink = Sink::new(hub.is_heard());
        for event in events {
            self.fold.apply(event, &mut sink);
        }
        let to = self.fold.position;
        hub.send(&Arc::new(ChangeBatch { from, to, changes: sink.changes }));
    }

    fn is_unshown(&self) -> bool {
        *self.shared.published.borrow() != self.fold.position
    }

    /// Time to wait before the next snapshot: making snapshots may take a fifth of the thread's time, and
    /// one is due after the configured interval in any case.
    fn rest(&self) -> Duration {
        let Some((at, took)) = self.shown else { return Duration::ZERO };
        let gap = (took * 4).min(self.options.publish_interval);
        gap.saturating_sub(at.elapsed())
    }

    fn show(&mut self) -> Result<(), ProjectionError> {
        let began = Instant::now();
        let snapshot = show::snapshot(&mut self.fold, self.epoch, &self.schemas, &self.cold)?;
        let position = snapshot.position;
        self.shared.snapshot.store(Arc::new(snapshot));
        self.shared.published.send_replace(position);
        self.shown = Some((Instant::now(), began.elapsed()));
        Ok(())
    }

    fn gauge(&self, head: Position) {
        let lag = head.0.saturating_sub(self.fold.position.0);
        #[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
        metrics::gauge!(
            "ledgerline_projection_lag_events",
            "projection" => "tables",
            "org_id" => self.fold.org_id.to_string()
        )
        .set(lag as f64);
    }
}
