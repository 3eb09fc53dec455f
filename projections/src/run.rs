//! The fold's thread: reads the log, folds, sends changes, shows snapshots.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use futures::executor::block_on;
use futures::future::{Either, select};
use ledgerline_event_store::EventReader;
use ledgerline_schemas::{Position, Recorded};
use tokio::sync::watch;

use crate::change::ChangeBatch;
use crate::engine::Engine;
use crate::error::ProjectionError;
use crate::feed::Hub;
use crate::hot::Sink;
use crate::page;
use crate::past::Past;
use crate::plan::Limits;
use crate::projections::{Options, Shared};
use crate::stop::Stop;
use crate::store::Files;
use crate::upkeep::Upkeep;

/// Events read at a time.
const PAGE_EVENTS: usize = 512;
/// While a snapshot is not due yet, events are folded this often: who follows the changes does not wait for snapshots.
const FOLD_INTERVAL: Duration = Duration::from_millis(5);
/// So many events behind, a snapshot is of the past whatever is done: getting on comes first.
const FAR_BEHIND_EVENTS: u64 = 20_000;
/// So many times rarer are snapshots then.
const FAR_BEHIND_RARER: u32 = 20;

/// The fold and everything its thread needs.
#[derive(Debug)]
pub(crate) struct Runner {
    shared: Arc<Shared>,
    engine: Engine,
    options: Options,
    /// Rings when files were added.
    bell: Option<SyncSender<()>>,
    /// When the newest snapshot was shown, and how long making it took.
    shown: Option<(Instant, Duration)>,
    /// Rows that the newest snapshot holds in memory are in files since.
    is_outdated: bool,
}

impl Runner {
    /// Opens the tables.
    pub(crate) fn open(
        reader: Arc<dyn EventReader>,
        files: impl Into<Files>,
        dir: &Path,
        options: Options,
    ) -> Result<Self, ProjectionError> {
        let mut engine = Engine::open_mending(files, dir, &reader, options)?;
        let position = engine.fold.position;
        let snapshot = engine.snapshot()?;
        let past = Past::new(Arc::clone(&reader), Arc::clone(engine.ledger()), options);
        let shared = Arc::new(Shared {
            reader,
            past: Arc::new(past),
            snapshot: ArcSwap::from_pointee(snapshot),
            published: watch::Sender::new(position),
            underway: watch::Sender::new(false),
            hub: Mutex::new(Hub::new(position)),
            stop: Stop::default(),
            ended: watch::Sender::new(None),
        });
        Ok(Self { shared, engine, options, bell: None, shown: None, is_outdated: false })
    }

    /// What handles share with this thread.
    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Runs until stopped or until something fails.
    pub(crate) fn run(mut self) {
        let shared = self.shared();
        let is_over = Arc::new(AtomicBool::new(false));
        let upkeep = self.upkeep(&is_over);
        let outcome = self.follow();
        // What was begun is finished, unless it is what went wrong.
        let outcome = outcome.and_then(|()| self.finish_commit());
        is_over.store(true, Ordering::Release);
        self.bell = None;
        // It has nothing to say any more; a panic of it was told where it happened.
        let _ = upkeep.map(JoinHandle::join);
        // The tables are let go before anybody is told that they are.
        drop(self);
        if let Err(error) = &outcome {
            tracing::error!(%error, "the projections have stopped");
        }
        shared.hub().close();
        shared.ended.send_replace(Some(outcome.err().unwrap_or(ProjectionError::Stopped)));
    }

    /// Begins to look after the files, on a thread of its own. Without it the tables are true all the same.
    fn upkeep(&mut self, is_over: &Arc<AtomicBool>) -> Option<JoinHandle<()>> {
        let (bell, rung) = sync_channel(1);
        let ledger = Arc::clone(self.engine.ledger());
        let reader = Arc::clone(&self.shared.reader);
        let upkeep = Upkeep::new(ledger, reader, self.options, Limits::default());
        let (shared, is_over) = (self.shared(), Arc::clone(is_over));
        let going_on = move || !shared.stop.is_asked() && !is_over.load(Ordering::Acquire);
        let thread = std::thread::Builder::new().name("tables-upkeep".to_owned());
        match thread.spawn(move || upkeep.run(&rung, &going_on)) {
            Ok(thread) => {
                self.bell = Some(bell);
                Some(thread)
            }
            Err(error) => {
                tracing::warn!(%error, "nobody looks after the files of the tables");
                None
            }
        }
    }

    fn follow(&mut self) -> Result<(), ProjectionError> {
        let mut head = self.shared.reader.watch_head();
        let mut stop = self.shared.stop.watch();
        loop {
            if self.shared.stop.is_asked() {
                return Ok(());
            }
            if self.engine.is_written() {
                self.finish_commit()?;
            }
            let known = *head.borrow_and_update();
            if self.engine.fold.position < known {
                self.fold_page()?;
            }
            let caught_up = self.engine.fold.position >= known;
            self.gauge(known);
            if self.is_unshown() {
                let rest = self.rest(known);
                if rest.is_zero() {
                    self.show()?;
                } else if caught_up {
                    self.shared.stop.wait(rest.min(FOLD_INTERVAL));
                }
            } else if caught_up {
                let (changed, stopped) =
                    (std::pin::pin!(head.changed()), std::pin::pin!(stop.changed()));
                let written = std::pin::pin!(self.engine.written());
                let other = select(stopped, written);
                if let Either::Left((Err(_), _)) = block_on(select(changed, other)) {
                    // The log is closed: nothing follows, and what is shown stays.
                    return Ok(());
                }
            }
        }
    }

    fn fold_page(&mut self) -> Result<(), ProjectionError> {
        let from = self.engine.fold.position;
        let page = page::read(&*self.shared.reader, from, PAGE_EVENTS)?;
        let mut events = page.as_slice();
        while !events.is_empty() {
            let taken = self.fold_events(events);
            events = events.get(taken..).unwrap_or_default();
            if self.engine.is_due() {
                self.finish_commit()?;
                self.engine.begin_commit()?;
                self.shared.underway.send_replace(true);
            }
        }
        Ok(())
    }

    /// Makes the commit that is underway part of the tables, and has their files looked after.
    fn finish_commit(&mut self) -> Result<(), ProjectionError> {
        if self.engine.finish_commit()? {
            self.is_outdated = true;
            // When it rang already and nobody has heard it yet, that will do.
            let _ = self.bell.as_ref().map(|bell| bell.try_send(()));
        }
        Ok(())
    }

    fn fold_events(&mut self, events: &[Recorded]) -> usize {
        // Held while folding: who subscribes meanwhile hears everything after this batch.
        let mut hub = self.shared.hub.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let from = self.engine.fold.position;
        let mut sink = Sink::new(hub.is_heard());
        let taken = self.engine.apply(events, &mut sink);
        let to = self.engine.fold.position;
        hub.send(&Arc::new(ChangeBatch { from, to, changes: sink.changes }));
        taken
    }

    fn is_unshown(&self) -> bool {
        self.is_outdated || *self.shared.published.borrow() != self.engine.fold.position
    }

    /// Time to wait before the next snapshot: making snapshots may take a fifth of the thread's time, and
    /// one is due after the configured interval in any case; both less often while far behind `head`.
    fn rest(&self, head: Position) -> Duration {
        let Some((at, took)) = self.shown else { return Duration::ZERO };
        let behind = head.0.saturating_sub(self.engine.fold.position.0);
        let rarer = if behind > FAR_BEHIND_EVENTS { FAR_BEHIND_RARER } else { 1 };
        let gap = (took * 4).min(self.options.publish_interval) * rarer;
        gap.saturating_sub(at.elapsed())
    }

    fn show(&mut self) -> Result<(), ProjectionError> {
        let began = Instant::now();
        let snapshot = self.engine.snapshot()?;
        let position = snapshot.position;
        self.shared.snapshot.store(Arc::new(snapshot));
        self.shared.published.send_replace(position);
        self.shared.underway.send_replace(self.engine.underway.is_some());
        self.is_outdated = false;
        self.shown = Some((Instant::now(), began.elapsed()));
        Ok(())
    }

    fn gauge(&self, head: Position) {
        let lag = head.0.saturating_sub(self.engine.fold.position.0);
        #[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
        metrics::gauge!(
            "ledgerline_projection_lag_events",
            "projection" => "tables",
            "org_id" => self.engine.fold.org_id.to_string()
        )
        .set(lag as f64);
    }
}
