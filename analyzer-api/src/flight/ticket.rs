//! Tickets: what `DoGet` needs to answer as `GetFlightInfo` promised, signed by this process.
//!
//! A ticket is a version byte, an HMAC-SHA-256 (RFC 2104) over the rest, and the rest as JSON. The key is random
//! and lives as long as the process: after a restart tickets are refused, and clients ask again.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledgerline_access::Principal;
use ledgerline_schemas::Position;
use ledgerline_schemas::id::OrgId;
use ring::hmac;
use ring::rand::SystemRandom;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const VERSION: u8 = 1;
const TAG_BYTES: usize = 32;

/// What a ticket says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    /// Number of the promised answer.
    pub(super) id: Uuid,
    pub(super) org_id: OrgId,
    pub(super) subject: String,
    /// Position of the answer.
    pub(super) position: Position,
    pub(super) sql: String,
    /// Parameters as an Arrow IPC stream of one row; empty: none.
    pub(super) parameters: Vec<u8>,
    /// The announced columns, a schema message of Arrow IPC.
    pub(super) schema: Vec<u8>,
}

impl Ticket {
    /// Whether it was given to this principal.
    pub(super) fn is_of(&self, principal: &Principal) -> bool {
        self.org_id == principal.org_id && self.subject == principal.subject
    }
}

/// The written form.
#[derive(Serialize, Deserialize)]
struct Written {
    id: Uuid,
    org_id: OrgId,
    subject: String,
    position: u64,
    sql: String,
    parameters: String,
    schema: String,
    /// Milliseconds of the process's life.
    until_ms: u64,
}

/// Why a ticket is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("the ticket was not issued by this server since its last start; ask again for one")]
    NotOurs,
    #[error("the ticket has expired; ask again for one")]
    Expired,
}

/// Signs and checks tickets.
#[derive(Debug)]
pub(super) struct Signer {
    key: hmac::Key,
    /// A clock that does not go back.
    started: Instant,
    life: Duration,
}

impl Signer {
    /// With a fresh key, for tickets that are good for `life`.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(super) fn new(life: Duration) -> Result<Self, String> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map_err(|_| "the system has no randomness".to_owned())?;
        Ok(Self { key, started: Instant::now(), life })
    }

    /// How long its tickets are good for.
    pub(super) const fn life(&self) -> Duration {
        self.life
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The signed form.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub(super) fn sign(&self, ticket: &Ticket) -> Result<Vec<u8>, serde_json::Error> {
        let life_ms = u64::try_from(self.life.as_millis()).unwrap_or(u64::MAX);
        let written = Written {
            id: ticket.id,
            org_id: ticket.org_id,
            subject: ticket.subject.clone(),
            position: ticket.position.0,
            sql: ticket.sql.clone(),
            parameters: STANDARD.encode(&ticket.parameters),
            schema: STANDARD.encode(&ticket.schema),
            until_ms: self.now_ms().saturating_add(life_ms),
        };
        let body = serde_json::to_vec(&written)?;
        let tag = hmac::sign(&self.key, &body);
        let mut signed = Vec::with_capacity(1 + TAG_BYTES + body.len());
        signed.push(VERSION);
        signed.extend_from_slice(tag.as_ref());
        signed.extend_from_slice(&body);
        Ok(signed)
    }

    /// What a ticket says, if it is ours and still good.
    ///
    /// # Errors
    /// [`Refused`].
    pub(super) fn open(&self, signed: &[u8]) -> Result<Ticket, Refused> {
        let (version, rest) = signed.split_first().ok_or(Refused::NotOurs)?;
        let (tag, body) = rest.split_at_checked(TAG_BYTES).ok_or(Refused::NotOurs)?;
        if *version != VERSION || hmac::verify(&self.key, body, tag).is_err() {
            return Err(Refused::NotOurs);
        }
        let written: Written = serde_json::from_slice(body).map_err(|_| Refused::NotOurs)?;
        if self.now_ms() >= written.until_ms {
            return Err(Refused::Expired);
        }
        let bytes = |text: &str| STANDARD.decode(text).map_err(|_| Refused::NotOurs);
        Ok(Ticket {
            id: written.id,
            org_id: written.org_id,
            subject: written.subject,
            position: Position(written.position),
            parameters: bytes(&written.parameters)?,
            schema: bytes(&written.schema)?,
            sql: written.sql,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> Ticket {
        Ticket {
            id: Uuid::from_u128(7),
            org_id: OrgId::from_u128(1),
            subject: "ann".to_owned(),
            position: Position(42),
            sql: "SELECT 1".to_owned(),
            parameters: vec![1, 2, 3],
            schema: vec![9; 32],
        }
    }

    #[test]
    fn a_ticket_comes_back_as_it_was_and_no_bit_of_it_can_be_changed() {
        let signer = Signer::new(Duration::from_secs(3_600)).expect("a key");
        let signed = signer.sign(&ticket()).expect("signed");
        assert_eq!(signer.open(&signed), Ok(ticket()));
        for bit in 0..signed.len() * 8 {
            let mut forged = signed.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(signer.open(&forged), Err(Refused::NotOurs), "bit {bit}");
        }
        for length in 0..signed.len() {
            assert_eq!(signer.open(&signed[..length]), Err(Refused::NotOurs), "{length} bytes");
        }
        let other = Signer::new(Duration::from_secs(3_600)).expect("a key");
        assert_eq!(other.open(&signed), Err(Refused::NotOurs), "another process");
    }

    #[test]
    fn a_ticket_is_good_for_a_while() {
        let signer = Signer::new(Duration::ZERO).expect("a key");
        let signed = signer.sign(&ticket()).expect("signed");
        assert_eq!(signer.open(&signed), Err(Refused::Expired));
    }
}
