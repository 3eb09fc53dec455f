//! The chat token: lets a customer into one conversation and nowhere else.
//!
//! `lc1.<organization>.<interaction>.<mac>`; the mac is an HMAC-SHA-256 under the organization's index key
//! over both ids. It holds no personal data and cannot be made without the key ring.

use ledgerline_event_store::crypt::{CryptError, KeyRing};
use ledgerline_schemas::id::{InteractionId, OrgId};
use uuid::Uuid;

use super::text::hex;

const VERSION: &str = "lc1";

/// A token as a customer shows it; not verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatToken {
    /// The organization it claims.
    pub org_id: OrgId,
    /// The interaction it claims.
    pub interaction_id: InteractionId,
    mac: String,
}

fn mac(keys: &KeyRing, org_id: OrgId, interaction_id: InteractionId) -> Result<String, CryptError> {
    let mut message = b"chat-token\0".to_vec();
    message.extend_from_slice(org_id.uuid().as_bytes());
    message.extend_from_slice(interaction_id.uuid().as_bytes());
    keys.keyed_hash(org_id, &message).map(|hash| hex(&hash))
}

/// Makes the token of an interaction.
///
/// # Errors
/// [`CryptError`].
pub fn issue(
    keys: &KeyRing,
    org_id: OrgId,
    interaction_id: InteractionId,
) -> Result<String, CryptError> {
    let mac = mac(keys, org_id, interaction_id)?;
    Ok(format!("{VERSION}.{}.{}.{mac}", org_id.uuid().simple(), interaction_id.uuid().simple()))
}

impl ChatToken {
    /// Reads a token's form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let mut next = || parts.next();
        let (version, org, interaction, mac) = (next()?, next()?, next()?, next()?);
        if version != VERSION || mac.len() != 64 || next().is_some() {
            return None;
        }
        Some(Self {
            org_id: OrgId::new(Uuid::try_parse(org).ok()?),
            interaction_id: InteractionId::new(Uuid::try_parse(interaction).ok()?),
            mac: mac.to_owned(),
        })
    }

    /// Whether it was made by [`issue`] with these keys.
    ///
    /// # Errors
    /// [`CryptError`].
    pub fn holds(&self, keys: &KeyRing) -> Result<bool, CryptError> {
        let expected = mac(keys, self.org_id, self.interaction_id)?;
        // Looks at every byte whatever it finds, so that the time taken tells nothing.
        let differing = expected
            .bytes()
            .zip(self.mac.bytes())
            .fold(expected.len() ^ self.mac.len(), |acc, (a, b)| acc | usize::from(a ^ b));
        Ok(differing == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORG: OrgId = OrgId::from_u128(1);
    const CHAT: InteractionId = InteractionId::from_u128(2);

    #[test]
    fn a_token_holds_for_its_own_conversation_only() {
        let keys = KeyRing::in_memory().expect("keys");
        let text = issue(&keys, ORG, CHAT).expect("token");
        let token = ChatToken::parse(&text).expect("form");
        assert_eq!((token.org_id, token.interaction_id), (ORG, CHAT));
        assert!(token.holds(&keys).expect("keys"));
        let other = ChatToken { interaction_id: InteractionId::from_u128(3), ..token.clone() };
        assert!(!other.holds(&keys).expect("keys"));
        let other = ChatToken { org_id: OrgId::from_u128(9), ..token.clone() };
        assert!(!other.holds(&keys).expect("keys"));
        assert!(!token.holds(&KeyRing::in_memory().expect("keys")).expect("keys"));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let keys = KeyRing::in_memory().expect("keys");
        let text = issue(&keys, ORG, CHAT).expect("token");
        for bad in [
            "",
            "lc1",
            "lc1...",
            &text[..text.len() - 1],
            &format!("{text}.x"),
            &text.replace("lc1", "lc2"),
        ] {
            assert_eq!(ChatToken::parse(bad), None, "{bad}");
        }
    }
}
