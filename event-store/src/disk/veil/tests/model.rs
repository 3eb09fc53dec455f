//! Files and objects held against ones in clear.

use std::io;
use std::ops::Range;

use proptest::prelude::*;

use super::*;
use crate::vault::ArchiveReader;

#[derive(Clone, Debug)]
enum Step {
    Write(u64, usize, u8),
    Allocate(u64, u64),
    Append(usize, u8),
    Read(u64, usize),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_u64..3_000, 1_usize..1_500, any::<u8>())
            .prop_map(|(at, n, fill)| Step::Write(at, n, fill)),
        (0_u64..3_000, 1_u64..1_500).prop_map(|(at, n)| Step::Allocate(at, n)),
        (1_usize..600, any::<u8>()).prop_map(|(n, fill)| Step::Append(n, fill)),
        (0_u64..5_000, 0_usize..2_000).prop_map(|(at, n)| Step::Read(at, n)),
        Just(Step::Reopen),
    ]
}

proptest! {
    #[test]
    fn an_encrypted_file_is_to_its_user_as_one_in_clear(steps in prop::collection::vec(step(), 1..40)) {
        let (disk, plain) = (empty(), empty());
        let veil = veil(&disk, true);
        let mut ours = veil.create("it").unwrap();
        let theirs = plain.create("it").unwrap();
        for step in steps {
            match step {
                Step::Write(at, length, fill) => {
                    let bytes: Vec<u8> = (0..length).map(|n| fill.wrapping_add(n as u8)).collect();
                    ours.write_at(&bytes, at).unwrap();
                    theirs.write_at(&bytes, at).unwrap();
                }
                Step::Allocate(at, length) => {
                    ours.allocate(at, length).unwrap();
                    theirs.allocate(at, length).unwrap();
                }
                Step::Append(length, fill) => {
                    let at = theirs.len().unwrap();
                    ours.write_at(&vec![fill; length], at).unwrap();
                    theirs.write_at(&vec![fill; length], at).unwrap();
                }
                Step::Read(at, length) => {
                    let (mut one, mut other) = (vec![0xEE; length], vec![0xEE; length]);
                    let read = ours.read_at(&mut one, at).unwrap();
                    prop_assert_eq!(read, theirs.read_at(&mut other, at).unwrap());
                    prop_assert!(one == other);
                }
                Step::Reopen => {
                    drop(ours);
                    ours = veil.open("it").unwrap();
                }
            }
            prop_assert_eq!(ours.len().unwrap(), theirs.len().unwrap());
            prop_assert!(read_whole(&*ours).unwrap() == read_whole(&*theirs).unwrap());
        }
    }

    #[test]
    fn an_object_is_to_its_reader_as_one_in_clear(length in 0_usize..5_000, from in any::<prop::sample::Index>(), until in any::<prop::sample::Index>()) {
        #[derive(Debug)]
        struct Object(Vec<u8>);
        impl ArchiveReader for Object {
            fn read(&self, _: &str, range: Range<u64>) -> io::Result<Vec<u8>> {
                Ok(self.0[range.start as usize..range.end as usize].to_vec())
            }
        }
        let content: Vec<u8> = (0..length).map(|at| (at / 3) as u8).collect();
        let object = seal_object(&keys(true), "it", &content).unwrap();
        prop_assert_eq!(&object, &seal_object(&keys(true), "it", &content).unwrap());
        let (whole, encrypted) = unveil_object(Some(&keys(false)), "it", object.clone()).unwrap();
        prop_assert!(encrypted && whole == content);
        let reader = Unveiled::new(Arc::new(Object(object)), Some(keys(false)));
        let (from, until) = (from.index(length + 1), until.index(length + 1));
        let (from, until) = (from.min(until), from.max(until));
        let read = reader.read("it", from as u64..until as u64);
        prop_assert!(read.unwrap() == content[from..until]);
    }
}
