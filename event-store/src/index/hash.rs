//! 64-bit hashes that indexes are sorted by. They are stored, so they never change. Both are questions, not
//! answers: names are compared, and events with a known fingerprint are looked at.

use ledgerline_schemas::id::EventId;

const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
const OTHER_ODD: u64 = 0xD6E8_FEB8_6659_FD93;

/// Spreads every input bit over all output bits.
const fn mix(mut hash: u64) -> u64 {
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(OTHER_ODD);
    hash ^ (hash >> 29)
}

/// Fingerprint of an event id. Ids may be random, ordered by time or derived: all bits take part.
pub(crate) fn of_id(id: EventId) -> u64 {
    let (high, low) = id.uuid().as_u64_pair();
    mix((high.rotate_left(23) ^ low).wrapping_mul(ODD))
}

/// Hash of a stream's name.
pub(crate) fn of_stream(name: &str) -> u64 {
    let mut hash = name.len() as u64;
    for chunk in name.as_bytes().chunks(8) {
        let mut word = [0; 8];
        if let Some(place) = word.get_mut(..chunk.len()) {
            place.copy_from_slice(chunk);
        }
        hash = mix((hash ^ u64::from_le_bytes(word)).wrapping_mul(ODD));
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These values are on disks.
    #[test]
    fn hashes_do_not_change() {
        assert_eq!(of_stream(""), 0);
        assert_eq!(of_stream("interaction-1"), 0xAD6E_7C75_AFDB_B4C4);
        assert_eq!(of_id(EventId::from_u128(1)), 0x17FB_89EE_35ED_72B0);
    }

    #[test]
    fn ids_may_have_one_fingerprint() {
        // The fingerprint mixes the halves by exclusive or: these two collide.
        let (first, second) = (EventId::from_u128(0), EventId::from_u128((1 << 64) | (1 << 23)));
        assert_eq!(of_id(first), of_id(second));
    }
}
