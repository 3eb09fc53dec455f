//! The policy matrix as a whole, and its default.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ledgerline_access::{Action, Principal, Role, allows};
use ledgerline_schemas::id::OrgId;
use proptest::prelude::*;

fn principal(roles: &[Role]) -> Principal {
    Principal {
        org_id: OrgId::from_u128(1),
        subject: "someone".to_owned(),
        roles: roles.iter().copied().collect(),
        user_id: None,
        user_profile_id: None,
    }
}

fn matrix() -> String {
    let mut text = format!("{:<22}", "action");
    for role in Role::ALL {
        write!(text, "{name:<15}", name = role.name()).unwrap();
    }
    text = text.trim_end().to_owned() + "\n";
    for action in Action::ALL {
        let mut line = format!("{action:<22}", action = action.name());
        for role in Role::ALL {
            let word = if allows(&principal(&[role]), action) { "yes" } else { "-" };
            write!(line, "{word:<15}").unwrap();
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// A change of the matrix is a decision: it shows in this file, and a reviewer sees it.
#[test]
fn matrix_is_the_one_agreed_on() {
    let agreed = include_str!("policy_matrix.txt");
    assert_eq!(matrix(), agreed, "the matrix now is:\n{}", matrix());
}

#[test]
fn without_a_role_nothing_is_allowed() {
    for action in Action::ALL {
        assert!(!allows(&principal(&[]), action), "{action}");
    }
}

#[test]
fn names_are_unique_and_roles_parse_back() {
    let names: BTreeSet<&str> = Action::ALL.iter().map(|action| action.name()).collect();
    assert_eq!(names.len(), Action::ALL.len());
    for role in Role::ALL {
        assert_eq!(role.name().parse::<Role>(), Ok(role));
        assert_eq!(serde_json::to_value(role).unwrap(), role.name());
    }
    let error = "root".parse::<Role>().unwrap_err();
    assert!(error.to_string().contains("'root'"), "{error}");
}

proptest! {
    /// More roles never take anything away and never give what no single one of them gives.
    #[test]
    fn roles_add_up(bits in 0_u8..64) {
        let roles: Vec<Role> =
            Role::ALL.into_iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1).map(|(_, r)| r).collect();
        for action in Action::ALL {
            let single = roles.iter().any(|role| allows(&principal(&[*role]), action));
            prop_assert_eq!(allows(&principal(&roles), action), single);
        }
    }
}
