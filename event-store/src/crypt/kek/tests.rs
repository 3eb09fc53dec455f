use std::os::unix::fs::PermissionsExt as _;

use super::*;

const ORG: OrgId = OrgId::from_u128(1);

#[test]
fn a_secret_unwraps_after_reopening_in_its_context_only() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("deep/kek");
    let (kek, wrapped) = {
        let ring = FileKeyring::in_directory(&folder);
        let kek = ring.current(ORG).unwrap();
        let wrapped = ring.wrap(ORG, &kek, b"for this", &[7; 32]).unwrap();
        (kek, wrapped)
    };
    let ring = FileKeyring::in_directory(&folder);
    assert_eq!(ring.current(ORG).unwrap(), kek);
    assert_eq!(*ring.unwrap_secret(ORG, &kek, b"for this", &wrapped).unwrap(), [7; 32]);
    let refused = ring.unwrap_secret(ORG, &kek, b"for that", &wrapped);
    assert!(matches!(refused, Err(WrapError::Damaged { .. })));
    let other = OrgId::from_u128(2);
    assert!(matches!(
        ring.unwrap_secret(other, &kek, b"for this", &wrapped),
        Err(WrapError::Missing { .. })
    ));
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode();
    let own = folder.join(ORG.to_string());
    assert_eq!(mode(&folder) & 0o777, 0o700);
    assert_eq!(mode(&own) & 0o777, 0o700);
    assert_eq!(mode(&own.join(format!("{kek}.kek"))) & 0o777, 0o600);
}

#[test]
fn a_kek_in_force_is_not_destroyed_and_an_older_one_is_gone_for_good() {
    let directory = tempfile::tempdir().unwrap();
    let ring = FileKeyring::in_directory(directory.path());
    let first = ring.current(ORG).unwrap();
    let wrapped = ring.wrap(ORG, &first, b"", &[7; 32]).unwrap();
    assert!(matches!(ring.destroy(ORG, &first), Err(WrapError::InForce { .. })));
    let second = ring.rotate(ORG).unwrap();
    assert_ne!(first, second);
    assert!(ring.unwrap_secret(ORG, &first, b"", &wrapped).is_ok());
    ring.destroy(ORG, &first).unwrap();
    ring.destroy(ORG, &first).unwrap();
    assert_eq!(ring.keks(ORG).unwrap(), std::slice::from_ref(&second));
    let refused = ring.unwrap_secret(ORG, &first, b"", &wrapped);
    assert!(matches!(refused, Err(WrapError::Missing { .. })));
    assert_eq!(FileKeyring::in_directory(directory.path()).current(ORG).unwrap(), second);
}

#[test]
fn a_name_that_is_no_id_never_becomes_a_path() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("secret.kek"), "x").unwrap();
    let ring = FileKeyring::in_directory(&directory.path().join("kek"));
    let kek = KekId::new("../../secret").unwrap();
    assert!(matches!(ring.wrap(ORG, &kek, b"", &[0; 32]), Err(WrapError::Missing { .. })));
    ring.destroy(ORG, &kek).unwrap();
    assert!(directory.path().join("secret.kek").exists());
}

#[test]
fn a_damaged_kek_file_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let kek = FileKeyring::in_directory(directory.path()).current(ORG).unwrap();
    let path = directory.path().join(ORG.to_string()).join(format!("{kek}.kek"));
    std::fs::write(&path, "ledgerline-kek-v1 00").unwrap();
    let error = FileKeyring::in_directory(directory.path()).wrap(ORG, &kek, b"", &[0; 32]);
    assert!(error.unwrap_err().to_string().contains(&kek.to_string()));
}

#[test]
fn a_kek_that_others_can_read_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let kek = FileKeyring::in_directory(directory.path()).current(ORG).unwrap();
    let path = directory.path().join(ORG.to_string()).join(format!("{kek}.kek"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = FileKeyring::in_directory(directory.path()).wrap(ORG, &kek, b"", &[0; 32]);
    assert!(error.unwrap_err().to_string().contains("0600"));
}
