//! Counts by bucket number, in ascending order.
//!
//! A value of many groups touches memory that no cache holds, so adding one must touch little of it: a number is
//! only noted at the end of a list. When the list is long, it is sorted and counted into the buckets.

use std::borrow::Cow;
use std::cmp::Ordering;

/// Numbers noted before they are counted, at least.
const NOTED_MIN: usize = 512;

/// How often each number was added. Counts saturate.
#[derive(Clone, Debug, Default)]
pub(super) struct Buckets {
    /// Ascending, each number once.
    counted: Vec<(i32, u64)>,
    /// Added since, in any order, once for each time.
    noted: Vec<i32>,
}

impl Buckets {
    /// Buckets with these counts, which ascend.
    pub(super) fn counted(counted: Vec<(i32, u64)>) -> Self {
        Self { counted, noted: Vec::new() }
    }

    /// Adds a number once.
    pub(super) fn add(&mut self, number: i32) {
        if self.noted.len() >= NOTED_MIN.max(2 * self.counted.len()) {
            self.count();
        }
        self.noted.push(number);
    }

    fn count(&mut self) {
        let all = std::mem::take(&mut self.noted);
        let mut all = Self::ascending(all);
        if self.counted.is_empty() {
            self.counted = all;
        } else {
            self.merge_ascending(&mut all);
        }
    }

    fn ascending(mut numbers: Vec<i32>) -> Vec<(i32, u64)> {
        numbers.sort_unstable();
        numbers
            .chunk_by(|a, b| a == b)
            .filter_map(|same| Some((*same.first()?, same.len() as u64)))
            .collect()
    }

    /// Adds counts by number, ascending. What is left in `others` afterwards has no meaning.
    fn merge_ascending(&mut self, others: &mut Vec<(i32, u64)>) {
        // Few into many, as when thousands of small histograms become one: most of them are there already.
        if others.len() * 8 < self.counted.len() {
            let counted = &mut self.counted;
            others.retain(|(number, count)| {
                let Ok(at) = counted.binary_search_by_key(number, |it| it.0) else { return true };
                if let Some((_, total)) = counted.get_mut(at) {
                    *total = total.saturating_add(*count);
                }
                false
            });
            if others.is_empty() {
                return;
            }
        }
        let mut merged = Vec::with_capacity(self.counted.len() + others.len());
        let (mut left, mut right) = (self.counted.iter().peekable(), others.iter().peekable());
        loop {
            let next = match (left.peek(), right.peek()) {
                (Some(a), Some(b)) => a.0.cmp(&b.0),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => break,
            };
            let a = if next.is_le() { left.next() } else { None };
            let b = if next.is_ge() { right.next() } else { None };
            merged.extend(match (a, b) {
                (Some((number, a)), Some((_, b))) => Some((*number, a.saturating_add(*b))),
                (one, other) => one.or(other).copied(),
            });
        }
        merged.shrink_to_fit();
        self.counted = merged;
    }

    /// Adds the counts of others.
    pub(super) fn merge(&mut self, other: &Self) {
        if !self.noted.is_empty() {
            self.count();
        }
        self.merge_ascending(&mut other.sorted().into_owned());
    }

    /// Numbers and counts, ascending, each number once.
    pub(super) fn sorted(&self) -> Cow<'_, [(i32, u64)]> {
        if self.noted.is_empty() {
            return Cow::Borrowed(&self.counted);
        }
        let mut all = self.clone();
        all.count();
        Cow::Owned(all.counted)
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.counted.capacity() * size_of::<(i32, u64)>() + self.noted.capacity() * size_of::<i32>()
    }
}

impl PartialEq for Buckets {
    fn eq(&self, other: &Self) -> bool {
        self.sorted() == other.sorted()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Add(Vec<i32>),
        Merge(Vec<i32>),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let numbers = || {
            let close = prop::collection::vec(-20..20, 0..1_500);
            prop_oneof![close, prop::collection::vec(any::<i32>(), 0..1_500)]
        };
        let step = prop_oneof![numbers().prop_map(Step::Add), numbers().prop_map(Step::Merge)];
        prop::collection::vec(step, 0..6)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// However numbers come, the counts are those of a map.
        #[test]
        fn counts_are_those_of_a_map(steps in steps()) {
            let (mut buckets, mut map) = (Buckets::default(), BTreeMap::new());
            for step in steps {
                let (Step::Add(numbers) | Step::Merge(numbers)) = &step;
                numbers.iter().for_each(|it| *map.entry(*it).or_insert(0) += 1);
                match &step {
                    Step::Add(numbers) => numbers.iter().for_each(|it| buckets.add(*it)),
                    Step::Merge(numbers) => {
                        let mut other = Buckets::default();
                        numbers.iter().for_each(|it| other.add(*it));
                        buckets.merge(&other);
                    }
                }
            }
            let map: Vec<(i32, u64)> = map.into_iter().collect();
            prop_assert_eq!(&*buckets.sorted(), &map[..]);
            prop_assert_eq!(&buckets, &Buckets::counted(map));
        }
    }

    #[test]
    fn counts_saturate() {
        let mut buckets = Buckets::counted(vec![(1, u64::MAX)]);
        buckets.add(1);
        buckets.merge(&Buckets::counted(vec![(1, 7), (2, 7)]));
        assert_eq!(&*buckets.sorted(), &[(1, u64::MAX), (2, 7)]);
    }
}
