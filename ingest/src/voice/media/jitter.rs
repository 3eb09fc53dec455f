//! Samples of one sender between their arrival and the clock that takes them.

use std::collections::VecDeque;

use super::FRAME_SAMPLES;
use super::mix::Frame;
use super::rtp::Header;

/// Samples that are waited for before the first is given: two packets.
const PREFILL: usize = 2 * FRAME_SAMPLES;
/// Most samples kept; a sender whose clock is faster than ours is cut back from here.
const MOST: usize = 8 * FRAME_SAMPLES;

/// A buffer that puts samples in order by their instants. What is missing, or too late, is silence.
#[derive(Debug, Default)]
pub struct Jitter {
    ssrc: u32,
    /// Instant of the first sample in the buffer.
    first: u32,
    samples: VecDeque<i16>,
    /// Samples are given; if not, the buffer fills.
    running: bool,
}

impl Jitter {
    /// Takes the samples of a packet.
    pub fn put(&mut self, header: &Header, samples: &[i16]) {
        let ahead = header.timestamp.wrapping_sub(self.first);
        let late = ahead.wrapping_neg();
        // Just behind the first one: it came too late, and its time is over.
        if self.running && header.ssrc == self.ssrc && (1..=MOST as u32).contains(&late) {
            return;
        }
        if self.samples.is_empty() || header.ssrc != self.ssrc || ahead as usize > MOST {
            self.samples.clear();
            (self.ssrc, self.first) = (header.ssrc, header.timestamp);
            return self.samples.extend(samples);
        }
        let at = ahead as usize;
        if self.samples.len() < at + samples.len() {
            self.samples.resize(at + samples.len(), 0);
        }
        for (slot, sample) in self.samples.iter_mut().skip(at).zip(samples) {
            *slot = *sample;
        }
        if self.samples.len() > MOST {
            self.drop_first(self.samples.len() - PREFILL);
        }
    }

    /// The next frame.
    pub fn pull(&mut self) -> Frame {
        let mut frame = [0; FRAME_SAMPLES];
        self.running = (self.running || self.samples.len() >= PREFILL) && !self.samples.is_empty();
        if self.running {
            for (slot, sample) in frame.iter_mut().zip(&self.samples) {
                *slot = *sample;
            }
            self.drop_first(FRAME_SAMPLES);
        }
        frame
    }

    fn drop_first(&mut self, count: usize) {
        self.samples.drain(..count.min(self.samples.len()));
        self.first = self.first.wrapping_add(count as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(jitter: &mut Jitter, timestamp: u32, sample: i16) {
        let header = Header { marker: false, payload_type: 0, sequence: 0, timestamp, ssrc: 1 };
        jitter.put(&header, &[sample; FRAME_SAMPLES]);
    }

    fn given(jitter: &mut Jitter, frames: usize) -> Vec<i16> {
        (0..frames).map(|_| jitter.pull()[FRAME_SAMPLES - 1]).collect()
    }

    #[test]
    fn reordered_packets_are_put_in_order_and_lost_ones_are_silence() {
        let mut jitter = Jitter::default();
        let start = u32::MAX - 200;
        for (number, sample) in [(0, 1), (2, 3), (1, 2), (4, 5)] {
            put(&mut jitter, start.wrapping_add(number * 160), sample);
        }
        assert_eq!(given(&mut jitter, 7), [1, 2, 3, 0, 5, 0, 0]);
    }

    #[test]
    fn it_fills_before_it_runs_and_again_after_it_ran_dry() {
        let mut jitter = Jitter::default();
        put(&mut jitter, 0, 1);
        assert_eq!(given(&mut jitter, 2), [0, 0]);
        put(&mut jitter, 160, 2);
        assert_eq!(given(&mut jitter, 3), [1, 2, 0]);
        put(&mut jitter, 8_000, 3);
        assert_eq!(given(&mut jitter, 1), [0]);
        put(&mut jitter, 8_160, 4);
        assert_eq!(given(&mut jitter, 3), [3, 4, 0]);
    }

    #[test]
    fn what_is_late_is_left_out_and_what_is_too_much_is_cut() {
        let mut jitter = Jitter::default();
        for number in 0..3 {
            put(&mut jitter, number * 160, 1);
        }
        assert_eq!(given(&mut jitter, 2), [1, 1]);
        put(&mut jitter, 0, 9);
        assert_eq!(given(&mut jitter, 2), [1, 0]);
        let mut jitter = Jitter::default();
        for number in 0..9 {
            put(&mut jitter, number * 160, i16::try_from(number).expect("small"));
        }
        assert_eq!(given(&mut jitter, 3), [7, 8, 0]);
    }

    #[test]
    fn another_sender_starts_anew() {
        let mut jitter = Jitter::default();
        put(&mut jitter, 0, 1);
        let header = Header { marker: true, payload_type: 0, sequence: 9, timestamp: 77, ssrc: 2 };
        jitter.put(&header, &[5; 2 * FRAME_SAMPLES]);
        assert_eq!(given(&mut jitter, 3), [5, 5, 0]);
    }
}
