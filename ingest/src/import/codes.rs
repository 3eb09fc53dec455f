//! Codes in place of names: people of the source appear in no event, log line or message.

use ledgerline_event_store::crypt::{CryptError, KeyRing};
use ledgerline_schemas::id::OrgId;

/// Bytes of the keyed hash in an agent's code: 40 bits, for at most some thousand agents.
const AGENT_CODE_BYTES: usize = 5;
/// Bytes of the keyed hash in a customer's or number's code: 64 bits, for at most some million of them.
const CUSTOMER_CODE_BYTES: usize = 8;

/// Makes codes: keyed hashes, so that nobody without the organization's key can test a guessed name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coder<'a> {
    pub(super) keyring: &'a KeyRing,
    pub(super) org_id: OrgId,
}

impl Coder<'_> {
    pub(super) fn agent(&self, name: &str) -> Result<String, CryptError> {
        self.code("agent", AGENT_CODE_BYTES, name)
    }

    pub(super) fn customer(&self, id: &str) -> Result<String, CryptError> {
        self.code("customer", CUSTOMER_CODE_BYTES, id)
    }

    pub(super) fn number(&self, number: &str) -> Result<String, CryptError> {
        self.code("number", CUSTOMER_CODE_BYTES, number)
    }

    fn code(&self, kind: &str, bytes: usize, value: &str) -> Result<String, CryptError> {
        let hash =
            self.keyring.keyed_hash(self.org_id, format!("import\0{kind}\0{value}").as_bytes())?;
        let digits: String = hash.iter().take(bytes).map(|byte| format!("{byte:02x}")).collect();
        Ok(format!("{kind}-{digits}"))
    }
}
