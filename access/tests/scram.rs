//! Database users: created once, shown once, known at once, apart by organization.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use ledgerline_access::scram::{ITERATIONS, USERS_FILE};
use ledgerline_access::{AccessError, NewUser, Role, ScramCredentials, StoreError};
use ledgerline_schemas::id::{OrgId, UserProfileId};

const ORG_A: OrgId = OrgId::from_u128(0xA);
const ORG_B: OrgId = OrgId::from_u128(0xB);

fn user(name: &str, org_id: OrgId, role: Role) -> NewUser {
    NewUser {
        name: name.to_owned(),
        org_id,
        roles: BTreeSet::from([role]),
        user_id: None,
        user_profile_id: None,
    }
}

#[test]
fn each_user_sees_its_own_organization() {
    let dir = tempfile::tempdir().unwrap();
    let users = ScramCredentials::open(dir.path()).unwrap();
    let ann = users.create_user(&user("ann", ORG_A, Role::Analyst)).unwrap();
    let bob = users.create_user(&user("bob", ORG_B, Role::Auditor)).unwrap();
    assert_ne!(ann, bob);

    let principal = users.verify_password("ann", &ann).unwrap();
    assert_eq!((principal.org_id, principal.subject.as_str()), (ORG_A, "ann"));
    assert_eq!(principal.roles, BTreeSet::from([Role::Analyst]));
    assert_eq!(users.verify_password("bob", &bob).unwrap().org_id, ORG_B);
    for (name, password) in [("ann", bob.as_str()), ("bob", &ann), ("cid", &ann), ("ann", "")] {
        assert_eq!(users.verify_password(name, password), Err(AccessError::WrongPassword));
    }
}

#[test]
fn a_user_keeps_the_profile_it_was_made_with() {
    let dir = tempfile::tempdir().unwrap();
    let users = ScramCredentials::open(dir.path()).unwrap();
    let profile = Some(UserProfileId::from_u128(9));
    let narrow = NewUser { user_profile_id: profile, ..user("ann", ORG_A, Role::Analyst) };
    let password = users.create_user(&narrow).unwrap();
    assert_eq!(users.verify_password("ann", &password).unwrap().user_profile_id, profile);
    let again = users.reset_password("ann").unwrap();
    assert_eq!(users.verify_password("ann", &again).unwrap().user_profile_id, profile);
}

#[test]
fn secrets_are_what_a_scram_server_needs() {
    let dir = tempfile::tempdir().unwrap();
    let users = ScramCredentials::open(dir.path()).unwrap();
    let password = users.create_user(&user("ann", ORG_A, Role::Analyst)).unwrap();
    let (principal, secret) = users.lookup("ann").unwrap().unwrap();
    assert_eq!(principal.org_id, ORG_A);
    assert_eq!((secret.salt.len(), secret.iterations), (16, ITERATIONS));
    let mut salted = [0_u8; 32];
    pbkdf2::pbkdf2_hmac::<sha2::Sha256>(
        password.as_bytes(),
        &secret.salt,
        secret.iterations,
        &mut salted,
    );
    assert_eq!(secret.salted_password, salted);
    assert_eq!(users.lookup("bob").unwrap(), None);
    assert!(!format!("{secret:?}").contains("salted_password: ["));
}

#[test]
fn a_running_server_knows_what_another_process_changed() {
    let dir = tempfile::tempdir().unwrap();
    let server = ScramCredentials::open(dir.path()).unwrap();
    let command_line = ScramCredentials::open(dir.path()).unwrap();
    let first = command_line.create_user(&user("ann", ORG_A, Role::Analyst)).unwrap();
    assert!(server.verify_password("ann", &first).is_ok());
    let second = command_line.reset_password("ann").unwrap();
    assert_eq!(server.verify_password("ann", &first), Err(AccessError::WrongPassword));
    assert!(server.verify_password("ann", &second).is_ok());
    command_line.remove_user("ann").unwrap();
    assert_eq!(server.verify_password("ann", &second), Err(AccessError::WrongPassword));
}

#[test]
fn writers_do_not_lose_each_others_users() {
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let users = ScramCredentials::open(dir.path()).unwrap();
            scope.spawn(move || {
                for n in 0..5 {
                    users
                        .create_user(&user(&format!("u{writer}-{n}"), ORG_A, Role::Analyst))
                        .unwrap();
                }
            });
        }
    });
    let users = ScramCredentials::open(dir.path()).unwrap();
    for writer in 0..4 {
        for n in 0..5 {
            assert!(users.lookup(&format!("u{writer}-{n}")).unwrap().is_some());
        }
    }
}

#[test]
fn names_are_unique_across_organizations_and_plain() {
    let dir = tempfile::tempdir().unwrap();
    let users = ScramCredentials::open(dir.path()).unwrap();
    users.create_user(&user("ann", ORG_A, Role::Analyst)).unwrap();
    let error = users.create_user(&user("ann", ORG_B, Role::Analyst)).unwrap_err();
    assert!(matches!(error, StoreError::UserExists(name) if name == "ann"));
    assert_eq!(users.lookup("ann").unwrap().unwrap().0.org_id, ORG_A);
    for name in ["", "Ann", "a,b", "a=b", "1a", "a b", &"a".repeat(64)] {
        let error = users.create_user(&user(name, ORG_A, Role::Analyst)).unwrap_err();
        assert!(matches!(error, StoreError::InvalidName(_)), "{name:?}: {error}");
    }
    let nobody = NewUser { roles: BTreeSet::new(), ..user("bob", ORG_A, Role::Analyst) };
    assert!(matches!(users.create_user(&nobody), Err(StoreError::NoRoles(_))));
    assert!(matches!(users.reset_password("zoe"), Err(StoreError::UnknownUser(_))));
    assert!(matches!(users.remove_user("zoe"), Err(StoreError::UnknownUser(_))));
}

#[test]
fn a_name_that_does_not_exist_looks_like_one_that_does() {
    let dir = tempfile::tempdir().unwrap();
    let users = ScramCredentials::open(dir.path()).unwrap();
    let (first, again) = (users.decoy("zoe").unwrap(), users.decoy("zoe").unwrap());
    assert_eq!((&first.salt, first.iterations), (&again.salt, ITERATIONS));
    assert_eq!(first.salt.len(), 16);
    assert_ne!(first.salt, users.decoy("zed").unwrap().salt);
    assert_ne!(first.salted_password, again.salted_password);
}

#[test]
fn the_file_is_the_owners_and_holds_no_password() {
    let dir = tempfile::tempdir().unwrap();
    let users = ScramCredentials::open(dir.path()).unwrap();
    let password = users.create_user(&user("ann", ORG_A, Role::Analyst)).unwrap();
    let path = dir.path().join(USERS_FILE);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(!fs::read_to_string(&path).unwrap().contains(&password));

    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(users.lookup("ann"), Err(StoreError::Exposed { mode: 0o644, .. })));
    assert_eq!(users.verify_password("ann", &password), Err(AccessError::Unavailable));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, "{").unwrap();
    assert!(matches!(ScramCredentials::open(dir.path()), Err(StoreError::Damaged { .. })));
}
