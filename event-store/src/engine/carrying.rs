//! What carriers have in common: streams of followers, and appends in pieces that an engine takes at once.

use std::future::Future;

#[cfg(any(feature = "fluvio", feature = "kurrentdb", test))]
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};

use super::carrier::{Carried, CarrierError};

/// A follower's place in an engine.
pub(super) trait Following: Send + 'static {
    /// The next entry, when it is there. Not called again after an error.
    fn next(&mut self) -> impl Future<Output = Result<Carried, CarrierError>> + Send;
}

/// What [`super::Carrier::follow`] gives: entry after entry, ended by the first error.
pub(super) fn stream(
    following: impl Following,
) -> BoxStream<'static, Result<Carried, CarrierError>> {
    stream::unfold(Some(following), |following| async {
        let mut following = following?;
        let item = following.next().await;
        let rest = item.is_ok().then_some(following);
        Some((item, rest))
    })
    .boxed()
}

/// A follower asks for a place behind the end: what was read from there before is lost.
#[cfg(any(feature = "fluvio", feature = "kurrentdb", test))]
pub(super) fn lost(place: &str, end: u64, from: u64) -> CarrierError {
    let reason = format!(
        "{place} ends at {end}, but entries up to {from} were read from it before: it lost them"
    );
    CarrierError::Refused { reason }
}

/// Refuses an entry of more bytes than `what` holds.
#[cfg(any(feature = "fluvio", feature = "kurrentdb", test))]
pub(super) fn refuse_longer(
    entries: &[Bytes],
    most: usize,
    what: &str,
) -> Result<(), CarrierError> {
    match entries.iter().find(|it| it.len() > most) {
        Some(entry) => {
            let reason = format!("an entry has {} bytes, {what} holds {most} of them", entry.len());
            Err(CarrierError::Refused { reason })
        }
        None => Ok(()),
    }
}

/// What an engine takes in one piece.
#[cfg(any(feature = "fluvio", feature = "kurrentdb", test))]
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Most entries.
    pub(super) entries: usize,
    /// Most bytes, with what is added to each entry.
    pub(super) bytes: usize,
    /// Added to each entry, bytes.
    pub(super) framing: usize,
}

#[cfg(any(feature = "fluvio", feature = "kurrentdb", test))]
impl Room {
    /// Splits entries into pieces of this size, in their order. An entry that fits no piece ends
    /// them: refuse it before.
    pub(super) fn split(self, entries: &[Bytes]) -> impl Iterator<Item = &[Bytes]> {
        let mut rest = entries;
        std::iter::from_fn(move || {
            let mut bytes = 0_usize;
            let fits = |entry: &&Bytes| {
                bytes = bytes.saturating_add(entry.len()).saturating_add(self.framing);
                bytes <= self.bytes
            };
            let count = rest.iter().take(self.entries).take_while(fits).count();
            let (piece, behind) = rest.split_at(count);
            rest = behind;
            (!piece.is_empty()).then_some(piece)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;
    use crate::engine::Offset;

    struct Scripted(VecDeque<Result<Carried, CarrierError>>);

    impl Following for Scripted {
        async fn next(&mut self) -> Result<Carried, CarrierError> {
            self.0.pop_front().expect("asked again after an error")
        }
    }

    #[tokio::test]
    async fn a_follower_ends_with_its_first_error() {
        let carried = |offset| Carried { offset: Offset(offset), entry: Bytes::new() };
        let items = [Ok(carried(0)), Ok(carried(1)), Err(lost("it", 1, 2))];
        let seen: Vec<_> = stream(Scripted(items.clone().into())).collect().await;
        assert_eq!(seen, items);
    }

    #[test]
    fn the_longest_entry_is_a_piece_and_a_longer_one_is_refused() {
        let room = Room { entries: 256, bytes: 1_000, framing: 64 };
        let longest = vec![Bytes::from(vec![7; 936]); 3];
        assert_eq!(room.split(&longest).map(<[Bytes]>::len).collect::<Vec<_>>(), [1, 1, 1]);
        assert_eq!(refuse_longer(&longest, 936, "it"), Ok(()));
        let refused = refuse_longer(&longest, 935, "a record");
        let Err(CarrierError::Refused { reason }) = refused else { panic!("{refused:?}") };
        assert_eq!(reason, "an entry has 936 bytes, a record holds 935 of them");
    }

    proptest! {
        #[test]
        fn pieces_hold_all_entries_in_order_and_fit(
            sizes in prop::collection::vec(prop_oneof![0_usize..100, 0_usize..50_000], 0..600),
            framing in 0_usize..100,
        ) {
            let room = Room { entries: 256, bytes: 64 << 10, framing };
            let entries: Vec<Bytes> = sizes.iter().map(|size| Bytes::from(vec![7; *size])).collect();
            let split: Vec<&[Bytes]> = room.split(&entries).collect();
            prop_assert_eq!(&split.concat(), &entries);
            for piece in split {
                let bytes: usize = piece.iter().map(|it| it.len() + framing).sum();
                prop_assert!(!piece.is_empty() && bytes <= room.bytes && piece.len() <= room.entries);
            }
        }
    }
}
