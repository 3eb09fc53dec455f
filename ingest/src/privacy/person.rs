//! How a request names the person it is about.

use std::collections::BTreeSet;

use ledgerline_event_store::crypt::{CryptError, KeyRing};
use ledgerline_schemas::id::{OrgId, SubjectId};
use serde::{Deserialize, Serialize};

/// Longest value that names a person, bytes.
const VALUE_BYTES_MAX: usize = 500;
/// Longest reason, bytes.
const REASON_BYTES_MAX: usize = 500;

/// A person, named in exactly one way.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Person {
    /// A telephone number. With and without `+`, `00` and separators is the same person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// An e-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The id that events carry as `data_subject_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_id: Option<SubjectId>,
    /// With `value`: what kind of value it is (`chat`: the id of an interaction; `ip`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// With `kind`: the value, exactly as it was sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Person")
    }
}

/// A person is not named, or not in one way.
#[derive(Debug, thiserror::Error)]
pub enum PersonError {
    /// None or several ways.
    #[error("name the person by one of phone, email, subject id, or kind and value")]
    NotOne,
    /// A value is empty or too long.
    #[error("{field} has to have 1 to {VALUE_BYTES_MAX} bytes")]
    Length {
        /// Which.
        field: &'static str,
    },
    /// A telephone number without digits.
    #[error("phone has no digits")]
    NoDigits,
    /// The key ring failed.
    #[error("the person cannot be looked up: {0}")]
    Keys(#[from] CryptError),
}

impl Person {
    /// Every subject id under which the person may be known. Touches the key file: not for async code.
    ///
    /// # Errors
    /// [`PersonError`].
    pub fn subjects(&self, keys: &KeyRing, org: OrgId) -> Result<Vec<SubjectId>, PersonError> {
        let (kind, values) = match self {
            Self { phone: Some(phone), email: None, subject_id: None, kind: None, value: None } => {
                ("phone", numbers(checked("phone", phone)?)?)
            }
            Self { phone: None, email: Some(email), subject_id: None, kind: None, value: None } => {
                let email = checked("email", email)?;
                ("email", BTreeSet::from([email.to_owned(), email.to_lowercase()]))
            }
            Self { phone: None, email: None, subject_id: Some(id), kind: None, value: None } => {
                return Ok(vec![*id]);
            }
            Self {
                phone: None,
                email: None,
                subject_id: None,
                kind: Some(kind),
                value: Some(value),
            } => {
                let value = checked("value", value)?.to_owned();
                (checked("kind", kind)?, BTreeSet::from([value]))
            }
            _ => return Err(PersonError::NotOne),
        };
        let subjects = values.iter().map(|value| keys.subject_id(org, kind, value));
        Ok(subjects.collect::<Result<_, _>>()?)
    }

    /// Whether a text repeats what names the person.
    #[must_use]
    pub fn is_named_in(&self, text: &str) -> bool {
        let plain = text.to_lowercase();
        let tight: String = text.chars().filter(char::is_ascii_digit).collect();
        let number = self.phone.as_deref().map(digits).filter(|digits| !digits.is_empty());
        number.is_some_and(|number| tight.contains(&number))
            || [&self.email, &self.value, &self.phone]
                .into_iter()
                .flatten()
                .any(|value| !value.trim().is_empty() && plain.contains(&value.to_lowercase()))
    }
}

/// A reason is not given, or gives away what it must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReasonError {
    /// Empty or too long.
    #[error("reason has to have 1 to {REASON_BYTES_MAX} bytes")]
    Length,
    /// It is kept in clear for ever.
    #[error("reason repeats what names the person, and is kept in clear")]
    NamesPerson,
}

/// Whether a reason may be recorded.
///
/// # Errors
/// [`ReasonError`].
pub fn check_reason(person: &Person, reason: &str) -> Result<(), ReasonError> {
    if reason.trim().is_empty() || reason.len() > REASON_BYTES_MAX {
        return Err(ReasonError::Length);
    }
    if person.is_named_in(reason) {
        return Err(ReasonError::NamesPerson);
    }
    Ok(())
}

fn checked<'a>(field: &'static str, value: &'a str) -> Result<&'a str, PersonError> {
    let value = value.trim();
    if value.is_empty() || value.len() > VALUE_BYTES_MAX {
        return Err(PersonError::Length { field });
    }
    Ok(value)
}

/// The digits of a number, without the prefix that makes it international.
fn digits(number: &str) -> String {
    let all: String = number.chars().filter(char::is_ascii_digit).collect();
    match all.strip_prefix("00") {
        Some(rest) if !number.trim_start().starts_with('+') => rest.to_owned(),
        _ => all,
    }
}

/// The ways in which a switch may have sent a number.
fn numbers(phone: &str) -> Result<BTreeSet<String>, PersonError> {
    let digits = digits(phone);
    if digits.is_empty() {
        return Err(PersonError::NoDigits);
    }
    let ways = [phone.to_owned(), format!("+{digits}"), format!("00{digits}"), digits];
    Ok(ways.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORG: OrgId = OrgId::from_u128(1);

    fn phone(number: &str) -> Person {
        Person { phone: Some(number.to_owned()), ..Person::default() }
    }

    #[test]
    fn a_number_is_found_however_it_was_sent_and_is_asked_for() {
        let keys = KeyRing::in_memory().expect("keys");
        for sent in ["+4930123456", "004930123456", "4930123456"] {
            let known = keys.subject_id(ORG, "phone", sent).expect("subject");
            for asked in ["+49 30 123456", "0049-30-123456", "4930123456", "+49 (30) 12 34 56"] {
                let found = phone(asked).subjects(&keys, ORG).expect("subjects");
                assert!(found.contains(&known), "{sent} asked for as {asked}");
            }
        }
        let other = keys.subject_id(ORG, "phone", "+4930123457").expect("subject");
        assert!(!phone("+4930123456").subjects(&keys, ORG).expect("subjects").contains(&other));
    }

    #[test]
    fn a_person_is_named_in_exactly_one_way() {
        let keys = KeyRing::in_memory().expect("keys");
        let two = Person { email: Some("a@b.example".to_owned()), ..phone("1") };
        let half = Person { kind: Some("chat".to_owned()), ..Person::default() };
        for person in [Person::default(), two, half] {
            assert!(matches!(person.subjects(&keys, ORG), Err(PersonError::NotOne)));
        }
        assert!(matches!(phone(" ").subjects(&keys, ORG), Err(PersonError::Length { .. })));
        assert!(matches!(phone("ada").subjects(&keys, ORG), Err(PersonError::NoDigits)));
        let long = "x".repeat(VALUE_BYTES_MAX + 1);
        let email = Person { email: Some(long), ..Person::default() };
        assert!(matches!(email.subjects(&keys, ORG), Err(PersonError::Length { .. })));
        let id = SubjectId::from_u128(7);
        let by_id = Person { subject_id: Some(id), ..Person::default() };
        assert_eq!(by_id.subjects(&keys, ORG).expect("subjects"), [id]);
        assert!(!format!("{:?}", phone("+4930123456")).contains("4930"));
    }

    #[test]
    fn a_reason_that_repeats_the_value_is_noticed() {
        assert!(phone("+49 30 123456").is_named_in("asked by 0049 30 12-34-56"));
        assert!(!phone("+49 30 123456").is_named_in("asked by letter of 2026-11-20"));
        let email = Person { email: Some("Ada@b.example".to_owned()), ..Person::default() };
        assert!(email.is_named_in("for ada@B.example"));
    }
}
