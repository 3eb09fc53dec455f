//! Telephone events (RFC 4733): from packets to keys.

/// Follows one sender's events. An event is many packets with one timestamp; it counts once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder {
    current: Option<Current>,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    ssrc: u32,
    timestamp: u32,
    key: Option<char>,
    reported: bool,
}

impl Decoder {
    /// Takes the payload of an event packet; gives the key when it is released.
    ///
    /// A key whose three end packets are all lost is given when the next event begins.
    pub fn packet(&mut self, ssrc: u32, timestamp: u32, payload: &[u8]) -> Option<char> {
        let [event, flags, _, _, ..] = payload else { return None };
        let ended = flags & 0x80 != 0;
        let same = |current: &Current| current.ssrc == ssrc && current.timestamp == timestamp;
        if let Some(current) = self.current.as_mut().filter(|current| same(current)) {
            if ended && !current.reported {
                current.reported = true;
                return current.key;
            }
            return None;
        }
        // A packet of an earlier event that arrives late must not begin it anew.
        let older = self.current.is_some_and(|current| {
            current.ssrc == ssrc && timestamp.wrapping_sub(current.timestamp) >= 0x8000_0000
        });
        if older {
            return None;
        }
        let key = key(*event);
        let missed = self.current.filter(|c| c.ssrc == ssrc && !c.reported).and_then(|c| c.key);
        // Two keys at once can be owed: the missed one goes first, the new one at its next packet.
        let reported = ended && missed.is_none();
        self.current = Some(Current { ssrc, timestamp, key, reported });
        missed.or(if ended { key } else { None })
    }

    /// Audio again: an event without any end packet is over.
    pub fn audio(&mut self, ssrc: u32, timestamp: u32) -> Option<char> {
        let current = self.current.as_mut().filter(|c| c.ssrc == ssrc && !c.reported)?;
        // Audio that was sampled before the key went down proves nothing. Eight packets after it
        // began, a sender that still held the key would still be sending events.
        if timestamp.wrapping_sub(current.timestamp) >= 0x8000_0000
            || timestamp.wrapping_sub(current.timestamp) < 8 * 160
        {
            return None;
        }
        current.reported = true;
        current.key
    }
}

const fn key(event: u8) -> Option<char> {
    match event {
        0..=9 => Some((b'0' + event) as char),
        10 => Some('*'),
        11 => Some('#'),
        12..=15 => Some((b'A' + event - 12) as char),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(code: u8, end: bool, duration: u16) -> [u8; 4] {
        let [high, low] = duration.to_be_bytes();
        [code, u8::from(end) << 7 | 10, high, low]
    }

    #[test]
    fn three_end_packets_are_one_key() {
        let mut decoder = Decoder::default();
        let mut keys = String::new();
        for (code, timestamp) in [(1, 1_000), (1, 3_000), (11, 5_000), (15, 7_000)] {
            for step in 1..5_u16 {
                keys.extend(decoder.packet(1, timestamp, &event(code, false, step * 160)));
            }
            for _ in 0..3 {
                keys.extend(decoder.packet(1, timestamp, &event(code, true, 800)));
            }
        }
        assert_eq!(keys, "11#D");
    }

    #[test]
    fn lost_ends_and_late_packets() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.packet(1, 1_000, &event(5, false, 160)), None);
        assert_eq!(decoder.packet(1, 9_000, &event(6, false, 160)), Some('5'));
        assert_eq!(decoder.packet(1, 1_000, &event(5, true, 800)), None);
        assert_eq!(decoder.packet(1, 9_000, &event(6, true, 800)), Some('6'));
        assert_eq!(decoder.packet(1, 20_000, &event(7, false, 160)), None);
        assert_eq!(decoder.audio(1, 19_840), None);
        assert_eq!(decoder.audio(1, 21_600), Some('7'));
        assert_eq!(decoder.audio(1, 21_760), None);
        assert_eq!(decoder.packet(1, 30_000, &[3]), None);
    }

    #[test]
    fn only_the_ends_arrive() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.packet(1, 1_000, &event(0, true, 800)), Some('0'));
        assert_eq!(decoder.packet(1, 1_000, &event(0, true, 800)), None);
        assert_eq!(decoder.packet(2, 1_000, &event(200, true, 800)), None);
    }
}
