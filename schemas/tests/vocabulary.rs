//! The whole vocabulary: every event survives both encodings, the published documents are current, and
//! the log of the first version reads as it was written.

mod support;

use std::path::Path;

use ledgerline_schemas::Event;
use ledgerline_schemas::command::Command;
use ledgerline_schemas::event::all_types;
use serde::Deserialize as _;
use support::Random;

#[test]
fn every_event_survives_message_pack_and_json() {
    for event_type in all_types() {
        for seed in 0..64 {
            let event = Random::new(seed).event(event_type);
            assert_eq!(event.event_type(), event_type);
            let packed = event.encode();
            assert_eq!(Event::decode(event_type, &packed).as_ref(), Ok(&event), "seed {seed}");
            assert_eq!(packed, event.encode(), "{event_type} seed {seed}: bytes differ");
            let json = event.to_json();
            assert!(json.is_object(), "{event_type} seed {seed}");
            let back = Event::from_json(event_type, json);
            assert_eq!(back.as_ref(), Ok(&event), "{event_type} seed {seed}");
        }
    }
}

#[test]
fn damaged_payloads_are_refused_and_never_panic() {
    for event_type in all_types() {
        let packed = Random::new(7).event(event_type).encode();
        for cut in 0..packed.len() {
            let _ = Event::decode(event_type, packed.get(..cut).unwrap_or_default());
        }
        assert!(Event::decode(event_type, &[]).is_err(), "{event_type}");
    }
    assert!(Event::decode("no.such.event", &[0x80]).is_err());
    assert!(Event::decode("config.no_such_kind.created", &[0x80]).is_err());
}

#[test]
fn every_command_survives_message_pack_and_json() {
    for seed in 0..2_000 {
        let command = Command::deserialize(&mut Random::new(seed)).expect("fits");
        let packed = rmp_serde::to_vec_named(&command).expect("packs");
        let unpacked: Command = rmp_serde::from_slice(&packed).expect("unpacks");
        assert_eq!(unpacked, command, "seed {seed}");
        let json = serde_json::to_value(&command).expect("json");
        assert_eq!(serde_json::from_value::<Command>(json).expect("json"), command, "seed {seed}");
    }
}

#[test]
fn published_documents_are_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("json");
    for (name, text) in ledgerline_schemas::publish::documents() {
        let stored = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(stored == text, "schemas/json/{name} drifted: run `cargo xtask schemas`");
    }
}

/// Lines of `type TAB payload in hex TAB payload as JSON`, written once when the version was released.
#[test]
fn the_golden_log_of_version_1_reads_as_it_was_written() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/v1.tsv");
    let golden = std::fs::read_to_string(&path).expect("schemas/golden/v1.tsv is checked in");
    let mut seen = std::collections::BTreeSet::new();
    for (number, line) in golden.lines().enumerate() {
        let parts: Vec<&str> = line.split('\t').collect();
        let [event_type, hex, json] = parts.as_slice() else { panic!("line {}", number + 1) };
        let bytes: Vec<u8> = (0..hex.len() / 2)
            .map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).expect("hex"))
            .collect();
        let event = Event::decode(event_type, &bytes).expect("decodes for ever");
        let expected: serde_json::Value = serde_json::from_str(json).expect("json");
        assert_eq!(event.to_json(), expected, "line {}", number + 1);
        seen.insert((*event_type).to_owned());
    }
    assert_eq!(seen.len(), 221, "the first version had 221 event types");
}
