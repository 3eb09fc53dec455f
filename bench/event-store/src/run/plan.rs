//! Which rows of the matrix are measured.

use crate::load::{Load, Streams};
use crate::options::Options;

/// A row of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) load: Load,
    /// With a processor that is kept awake.
    pub(crate) awake: bool,
    /// Rounds; the stores take turns in each.
    pub(crate) rounds: u32,
}

const fn load(writers: u64, batch: u64, payload_bytes: usize, streams: Streams) -> Load {
    Load { writers, batch, payload_bytes, streams }
}

/// The rows that the targets are about, and the others.
pub(crate) fn rows(options: &Options) -> (Vec<Row>, Vec<Row>) {
    use Streams::{Hot, Spread};
    let rounds = options.rounds;
    let headlines = vec![
        Row { load: load(1, 1, 256, Spread), awake: false, rounds },
        Row { load: load(1, 1, 256, Spread), awake: true, rounds },
        Row { load: load(64, 1, 256, Spread), awake: false, rounds },
        Row { load: load(512, 1, 256, Spread), awake: false, rounds },
    ];
    let others: Vec<Row> = if options.full {
        let mut others = Vec::new();
        for writers in [1, 8, 64, 512] {
            for batch in [1, 10, 100] {
                for payload_bytes in [256, 1_024] {
                    for streams in [Spread, Hot] {
                        let load = load(writers, batch, payload_bytes, streams);
                        // Latency of few writers is what an idle processor distorts.
                        others.push(Row { load, awake: false, rounds });
                        if writers == 1 {
                            others.push(Row { load, awake: true, rounds });
                        }
                    }
                }
            }
        }
        others.retain(|row| !headlines.contains(row));
        others
    } else {
        let once = |load| Row { load, awake: false, rounds: 1 };
        vec![
            once(load(512, 100, 1_024, Spread)),
            once(load(64, 10, 256, Spread)),
            once(load(64, 1, 256, Hot)),
            once(load(512, 1, 1_024, Spread)),
            once(load(8, 1, 256, Spread)),
            once(load(64, 100, 256, Spread)),
            once(load(64, 1, 1_024, Spread)),
        ]
    };
    (headlines, others)
}
