//! Where a page ended, and at which position of the log it was read.
//!
//! A cursor is bound to the question it came from and says nothing that its holder could not ask for: its parts are
//! only ever parameters, and the organization is never one of them. So it needs no secret. A checksum refuses what
//! was cut or mixed up; it outlives a restart.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ledgerline_schemas::Position;
use sha2::{Digest as _, Sha256};

use crate::error::QueryError;

/// First byte of a cursor.
const FORM: u8 = 1;
/// Bytes of the checksum.
const CHECK_BYTES: usize = 8;

/// Where to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Position of the first page, and so of all.
    pub(super) position: Position,
    pub(super) after: After,
}

/// The last of what was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// A record by its time (µs) and id.
    Record(i64, String),
    /// So many rows, of an order that is total.
    Rows(u64),
}

impl Cursor {
    /// Text for a client; `question` says what the cursor belongs to.
    pub(super) fn encode(&self, question: &str) -> String {
        let mut bytes = vec![FORM];
        bytes.extend(self.position.0.to_le_bytes());
        match &self.after {
            After::Record(time, id) => {
                bytes.push(b'k');
                bytes.extend(time.to_le_bytes());
                bytes.extend(id.as_bytes());
            }
            After::Rows(rows) => {
                bytes.push(b'n');
                bytes.extend(rows.to_le_bytes());
            }
        }
        bytes.extend(check(&bytes, question));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// # Errors
    /// [`QueryError::Value`] naming the argument: not a cursor, or one of another question.
    pub(super) fn decode(argument: &str, text: &str, question: &str) -> Result<Self, QueryError> {
        let wrong = || {
            QueryError::Value(format!("{argument} is not a cursor of this query and its arguments"))
        };
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
        let (body, sum) = bytes
            .len()
            .checked_sub(CHECK_BYTES)
            .and_then(|at| bytes.split_at_checked(at))
            .ok_or_else(wrong)?;
        if check(body, question) != sum {
            return Err(wrong());
        }
        read(body).ok_or_else(wrong)
    }
}

fn read(body: &[u8]) -> Option<Cursor> {
    let rest = body.strip_prefix(&[FORM])?;
    let (position, rest) = rest.split_first_chunk::<8>()?;
    let (tag, rest) = rest.split_first()?;
    let after = match tag {
        b'k' => {
            let (time, id) = rest.split_first_chunk::<8>()?;
            After::Record(i64::from_le_bytes(*time), String::from_utf8(id.to_vec()).ok()?)
        }
        b'n' => After::Rows(u64::from_le_bytes(rest.try_into().ok()?)),
        _ => return None,
    };
    Some(Cursor { position: Position(u64::from_le_bytes(*position)), after })
}

fn check(body: &[u8], question: &str) -> [u8; CHECK_BYTES] {
    let mut hash = Sha256::new();
    hash.update(b"ledgerline.search.cursor.1");
    hash.update((body.len() as u64).to_le_bytes());
    hash.update(body);
    hash.update(question.as_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    digest.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cursor() -> impl Strategy<Value = Cursor> {
        let after = prop_oneof![
            (any::<i64>(), ".{0,40}").prop_map(|(time, id)| After::Record(time, id)),
            any::<u64>().prop_map(After::Rows),
        ];
        (any::<u64>(), after).prop_map(|(at, after)| Cursor { position: Position(at), after })
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back(cursor in cursor(), question in ".{0,40}") {
            let text = cursor.encode(&question);
            prop_assert_eq!(Cursor::decode("cursor", &text, &question), Ok(cursor.clone()));
            let another = question + ".";
            prop_assert!(Cursor::decode("cursor", &text, &another).is_err());
        }

        #[test]
        fn every_changed_bit_is_refused(cursor in cursor(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let mut bytes = URL_SAFE_NO_PAD.decode(cursor.encode("q")).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(Cursor::decode("cursor", &URL_SAFE_NO_PAD.encode(bytes), "q").is_err());
        }

        #[test]
        fn any_text_is_an_error_and_not_a_panic(text in ".{0,60}") {
            prop_assert!(Cursor::decode("cursor", &text, "q").is_err());
        }
    }
}
