//! What is given out: checkpoints, proofs, keys.

use super::*;

/// Calls `refuses` with every single-bit change of a text that is still text, and of bytes that are not.
fn flip_every_bit(text: &str, accepts: impl Fn(&str) -> bool) {
    assert!(accepts(text));
    for bit in 0..text.len() * 8 {
        let mut bytes = text.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        // What is not UTF-8 cannot even be given to the verifier.
        let Ok(flipped) = String::from_utf8(bytes) else { continue };
        assert!(!accepts(&flipped), "bit {bit} of:\n{text}");
    }
}

#[test]
fn every_flipped_bit_of_what_is_given_out_is_noticed() {
    let mut audited = audited();
    let public = audited.custody.public_key().clone();
    let old = audited.outside[0].clone();
    flip_every_bit(&old.note, |note| Checkpoint::open(note, &public).is_ok());
    let event = &all(&audited.log)[421];
    let proof = audited.custody.prove(&audited.log, event, &mut |_, _| {}).unwrap();
    flip_every_bit(&proof, |proof| verify::inclusion(proof, &public).is_ok());
    let proof = audited.custody.prove_consistency(&audited.log, &old, &mut |_, _| {}).unwrap();
    flip_every_bit(&proof, |proof| verify::consistency(&old, proof, &public).is_ok());
    let stream = StreamId::new("interaction-1");
    let statement = audited.custody.state(&stream, 1, leaf_hash(event)).unwrap();
    flip_every_bit(&statement, |note| StreamStatement::open(note, &public).is_ok());
    flip_every_bit(&audited.custody.vkey(), |vkey| PublicKey::parse(vkey).is_ok());
}

#[test]
fn the_example_of_the_specification_verifies() {
    let vkey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    let key = PublicKey::parse(vkey).unwrap();
    let note = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq\
                6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
    // It is signed as it should be, and no checkpoint.
    let refused = Checkpoint::open(note, &key).unwrap_err().to_string();
    assert!(refused.contains("fewer than three lines"), "{refused}");
}

#[test]
fn notes_are_taken_one_by_one_out_of_a_file() {
    let audited = audited();
    let file = std::fs::read_to_string(audited.custody.folder().join("checkpoints")).unwrap();
    let all: Vec<&str> = audited.outside.iter().map(|it| it.note.as_str()).collect();
    let found = |text: &str| -> Vec<String> {
        verify::notes(text).map(|(_, note)| note.to_owned()).collect()
    };
    assert_eq!(found(&file), all);
    assert_eq!(found(all[0]), all[..1]);
    assert_eq!(found(&format!("\n\n{}\n\n\n{}", all[0], all[1])), all);
    assert_eq!(verify::notes(&file).map(|(at, _)| at).last(), Some(all[0].len() + 1));
    assert!(found("\n\n").is_empty());
    for broken in ["x", "x\n", "x\n\n", "x\n\ny", "x\n\ny\n\nz"] {
        for (_, note) in verify::notes(broken) {
            assert!(Checkpoint::open(note, audited.custody.public_key()).is_err(), "{broken:?}");
        }
    }
}

#[test]
fn another_key_or_origin_is_refused() {
    let audited = audited();
    let note = &audited.outside[0].note;
    let name = audited.custody.origin();
    let other = CustodyKey::from_seed(&[4; 32]);
    let refused = Checkpoint::open(note, &PublicKey::parse(&other.vkey(name)).unwrap());
    assert!(matches!(refused, Err(verify::VerifyError::NotSigned { .. })), "{refused:?}");
    let renamed = PublicKey::parse(&key().vkey("ledgerline/orgs/another")).unwrap();
    assert!(Checkpoint::open(note, &renamed).is_err());
    // A signature of somebody else beside the log's does no harm.
    let cosigned = format!("{note}\u{2014} witness.example AAAAAAAA\n");
    assert!(Checkpoint::open(&cosigned, audited.custody.public_key()).is_ok());
}

#[test]
fn the_key_is_made_once_and_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let vkey = || CustodyKey::open_or_create(folder.path()).map(|key| key.vkey("a"));
    let first = vkey().unwrap();
    assert_eq!(vkey().unwrap(), first);
    let path = folder.path().join("custody.key");
    let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    mode(0o640).unwrap();
    assert!(vkey().unwrap_err().to_string().contains("chmod 600"));
    mode(0o600).unwrap();
    std::fs::write(&path, "something else\n").unwrap();
    assert!(vkey().unwrap_err().to_string().contains("not a signing key"));
    assert_eq!(format!("{:?}", key()), "CustodyKey");
}

#[test]
fn the_verifier_uses_nothing_of_the_prover() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/custody/verify");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let source = std::fs::read_to_string(&path).unwrap();
        for line in source.lines().filter(|line| !line.trim_start().starts_with("//")) {
            let visible = line.replace("pub(in crate::custody)", "");
            let leaves = ["crate::custody", "super::super", "super::hash", "super::key"];
            let used = leaves.iter().find(|path| visible.contains(**path));
            assert_eq!(used, None, "{}: {line}", path.display());
            let own = !visible.contains("use crate::") || visible.contains("use crate::log::");
            assert!(own, "{}: {line}", path.display());
        }
        let is_root = path.file_name().is_some_and(|name| name == "mod.rs");
        assert!(!is_root || !source.contains("use super::"), "the root of the verifier looks up");
        files += 1;
    }
    assert!(files >= 8, "{files} files");
}
