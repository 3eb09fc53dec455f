//! `recording`: recordings of interactions.

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::event::media::{
    RecordingAvailable, RecordingDeleted, RecordingPaused, RecordingResumed, RecordingStarted,
    RecordingStopped,
};

use crate::fold::{At, Fold, text};
use crate::tables::Recording;

/// Ends the pause that lasts, if one does.
fn pause_over(row: &mut Recording, time: Timestamp) {
    if let Some(since) = row.paused_since.take() {
        row.paused_duration_ms += time.ms_since(since);
    }
}

impl Fold {
    pub(super) fn recording_started(&mut self, at: &mut At<'_>, it: &RecordingStarted) {
        if !self.interactions.contains_key(&it.interaction_id) {
            return;
        }
        let session = self.tables.customer_session.get(&it.interaction_id);
        let row = Recording {
            recording_id: it.recording_id,
            interaction_id: it.interaction_id,
            queue_id: session.and_then(|row| row.last_queue_id),
            started_time: at.time(),
            stopped_time: None,
            duration_ms: None,
            pause_count: 0,
            paused_duration_ms: 0,
            auto_resume_count: 0,
            paused_since: None,
            available_time: None,
            reference: None,
            bytes: None,
            sha256: None,
            deleted_time: None,
            valid_from_position: at.header.position,
        };
        self.tables.recording.put(at.sink, row);
    }

    pub(super) fn recording_paused(&mut self, at: &mut At<'_>, it: &RecordingPaused) {
        let time = at.time();
        self.tables.recording.change(at.sink, &it.recording_id, |row| {
            row.pause_count += u32::from(row.paused_since.is_none());
            row.paused_since = row.paused_since.or(Some(time));
        });
    }

    pub(super) fn recording_resumed(&mut self, at: &mut At<'_>, it: &RecordingResumed) {
        let time = at.time();
        self.tables.recording.change(at.sink, &it.recording_id, |row| {
            row.auto_resume_count += u32::from(it.auto && row.paused_since.is_some());
            pause_over(row, time);
        });
    }

    pub(super) fn recording_stopped(&mut self, at: &mut At<'_>, it: &RecordingStopped) {
        let time = at.time();
        self.tables.recording.change(at.sink, &it.recording_id, |row| {
            pause_over(row, time);
            row.stopped_time = Some(time);
            let lasted_ms = time.ms_since(row.started_time);
            row.duration_ms = Some(lasted_ms.saturating_sub(row.paused_duration_ms));
        });
    }

    pub(super) fn recording_available(&mut self, at: &mut At<'_>, it: &RecordingAvailable) {
        let time = at.time();
        self.tables.recording.change(at.sink, &it.recording_id, |row| {
            row.available_time = Some(time);
            row.reference = Some(text(&it.reference));
            row.bytes = Some(it.bytes);
            row.sha256 = Some(text(&it.sha256));
        });
    }

    pub(super) fn recording_deleted(&mut self, at: &mut At<'_>, it: &RecordingDeleted) {
        let time = at.time();
        self.tables
            .recording
            .change(at.sink, &it.recording_id, |row| row.deleted_time = Some(time));
    }
}
