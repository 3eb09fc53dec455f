//! Text of a conversation on its way into a command: checked, then sealed.

use axum::http::StatusCode;
use ledgerline_event_store::crypt::{Binding, CryptError, KeyRing, Purpose};
use ledgerline_schemas::Sensitive;
use ledgerline_schemas::id::{InteractionId, OrgId, SubjectId};
use ledgerline_schemas::limits::MESSAGE_BYTES_MAX;

use crate::card_filter::Masked;
use crate::http::problem::Problem;

/// A text that only the key ring opens.
#[derive(Clone, Debug)]
pub struct SealedText {
    /// The sealed text.
    pub body: Sensitive<String>,
    /// Hash of the text under the customer's key, lower-case hex; means nothing once that is destroyed.
    pub keyed_sha256: String,
    /// Whose key sealed it: the customer of the interaction, also for what the agent writes.
    pub subject_id: SubjectId,
}

/// A text was not taken.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// Nothing but white space.
    #[error("the text is empty")]
    Empty,
    /// Longer than [`MESSAGE_BYTES_MAX`].
    #[error("the text is longer than {MESSAGE_BYTES_MAX} bytes")]
    TooLong,
    /// The key ring failed.
    #[error("the text cannot be sealed: {0}")]
    Seal(#[from] CryptError),
    /// The work was given up because the process stops.
    #[error("the text cannot be sealed: the server stops")]
    Stopped,
}

impl From<TextError> for Problem {
    fn from(error: TextError) -> Self {
        match error {
            TextError::Empty => Self::invalid("text", error.to_string()),
            TextError::TooLong => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error.to_string())
                    .field("text")
            }
            TextError::Seal(_) | TextError::Stopped => Self::internal(&error),
        }
    }
}

impl SealedText {
    /// Checks and seals a text of an interaction.
    ///
    /// # Errors
    /// [`TextError`].
    pub async fn of(
        keys: &KeyRing,
        org_id: OrgId,
        interaction_id: InteractionId,
        purpose: Purpose,
        text: Masked,
    ) -> Result<Self, TextError> {
        let text = text.into_string();
        if text.trim().is_empty() {
            return Err(TextError::Empty);
        }
        if text.len() > MESSAGE_BYTES_MAX {
            return Err(TextError::TooLong);
        }
        let keys = keys.clone();
        // The first text of a customer makes a key and waits for the disk.
        tokio::task::spawn_blocking(move || {
            let binding = Binding { purpose, interaction: Some(interaction_id) };
            Self::seal(&keys, org_id, interaction_id, binding, &text)
        })
        .await
        .map_err(|_| TextError::Stopped)?
        .map_err(TextError::Seal)
    }

    fn seal(
        keys: &KeyRing,
        org_id: OrgId,
        interaction_id: InteractionId,
        binding: Binding,
        text: &String,
    ) -> Result<Self, CryptError> {
        // Nobody knows who an anonymous visitor is, so each chat is a person of its own to erase.
        let subject_id = keys.subject_id(org_id, "chat", &interaction_id.to_string())?;
        Ok(Self {
            body: keys.seal(org_id, subject_id, binding, text)?,
            keyed_sha256: hex(&keys.subject_hash(org_id, subject_id, text.as_bytes())?),
            subject_id,
        })
    }
}

/// Lower-case hex.
#[must_use]
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card_filter::mask;

    const ORG: OrgId = OrgId::from_u128(1);
    const CHAT: InteractionId = InteractionId::from_u128(2);

    #[tokio::test]
    async fn the_limit_is_exact_and_counts_bytes() {
        let keys = KeyRing::in_memory().expect("keys");
        for (text, fits) in [
            ("x".repeat(MESSAGE_BYTES_MAX - 1), true),
            ("x".repeat(MESSAGE_BYTES_MAX), true),
            ("x".repeat(MESSAGE_BYTES_MAX + 1), false),
            ("é".repeat(MESSAGE_BYTES_MAX / 2 + 1), false),
        ] {
            let length = text.len();
            let sealed = SealedText::of(&keys, ORG, CHAT, Purpose::Said, mask(text)).await;
            assert_eq!(sealed.is_ok(), fits, "{length} bytes");
        }
        assert!(matches!(
            SealedText::of(&keys, ORG, CHAT, Purpose::Said, mask(" \n".to_owned())).await,
            Err(TextError::Empty)
        ));
    }

    #[tokio::test]
    async fn sealed_text_opens_again_and_shows_nothing_of_itself() {
        let keys = KeyRing::in_memory().expect("keys");
        let sealed = SealedText::of(&keys, ORG, CHAT, Purpose::Said, mask("my secret".to_owned()))
            .await
            .expect("sealed");
        assert_eq!(keys.open(ORG, Binding::said(CHAT), &sealed.body).expect("open"), "my secret");
        assert!(!format!("{sealed:?}").contains("secret"));
        assert_eq!(sealed.keyed_sha256.len(), 64);
        assert!(
            keys.open(OrgId::from_u128(9), Binding::said(CHAT), &sealed.body).is_err(),
            "another organization"
        );
    }
}
