//! The ways of sealing. Only the newest one seals; all of them open.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use ledgerline_schemas::Sensitive;
use ledgerline_schemas::id::{KeyId, OrgId, SubjectId};
use ledgerline_schemas::sensitive::SealScheme;
use zeroize::Zeroizing;

use super::binding::Binding;
use super::error::CryptError;
use super::secret::{SECRET_BYTES, Secret};

const NONCE_BYTES: usize = 24;

/// Whose value it is and with which key.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    pub(super) org: OrgId,
    pub(super) subject: SubjectId,
    pub(super) key_id: KeyId,
}

/// Seals with [`SealScheme::XChaCha20Poly1305V2`].
pub(super) fn seal<T>(
    owner: Owner,
    secret: &Secret,
    binding: Binding,
    plaintext: &[u8],
) -> Result<Sensitive<T>, CryptError> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|_| CryptError::Random)?;
    let key = encryption_key(owner, secret)?;
    let mut sealed = commitment(owner, secret, &nonce)?.to_vec();
    let associated = associated_v2(owner, binding);
    let payload = Payload { msg: plaintext, aad: &associated };
    let ciphertext = XChaCha20Poly1305::new(key.bytes().into())
        .encrypt(&XNonce::from(nonce), payload)
        .map_err(|_| CryptError::Encode("the value is too long to be sealed".to_owned()))?;
    sealed.extend_from_slice(&ciphertext);
    let scheme = SealScheme::XChaCha20Poly1305V2;
    Ok(Sensitive::from_parts(owner.key_id, scheme, nonce.to_vec(), sealed))
}

/// Opens a value of any scheme.
pub(super) fn open<T>(
    owner: Owner,
    secret: &Secret,
    binding: Binding,
    value: &Sensitive<T>,
) -> Result<Zeroizing<Vec<u8>>, CryptError> {
    let damaged = || CryptError::Damaged { key_id: owner.key_id };
    let nonce = <[u8; NONCE_BYTES]>::try_from(value.nonce.0.as_slice()).map_err(|_| damaged())?;
    let decrypt = |key: &Secret, associated: &[u8], ciphertext: &[u8]| {
        let payload = Payload { msg: ciphertext, aad: associated };
        XChaCha20Poly1305::new(key.bytes().into())
            .decrypt(&XNonce::from(nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| damaged())
    };
    match value.scheme {
        SealScheme::XChaCha20Poly1305V1 => {
            decrypt(secret, &associated_v1(owner), &value.ciphertext.0)
        }
        SealScheme::XChaCha20Poly1305V2 => {
            let (check, ciphertext) =
                value.ciphertext.0.split_at_checked(SECRET_BYTES).ok_or_else(damaged)?;
            // The check value is public, so comparing it needs no care about time.
            if check != commitment(owner, secret, &nonce)? {
                return Err(damaged());
            }
            let key = encryption_key(owner, secret)?;
            decrypt(&key, &associated_v2(owner, binding), ciphertext)
        }
    }
}

fn encryption_key(owner: Owner, secret: &Secret) -> Result<Secret, CryptError> {
    let (org, key_id) = (owner.org.uuid(), owner.key_id.uuid());
    secret.derive(&[b"ledgerline seal v2 encrypt\0", org.as_bytes(), key_id.as_bytes()])
}

/// The cipher alone does not commit to its key: one ciphertext can be made that opens under two keys. This
/// value cannot be made for two keys.
fn commitment(
    owner: Owner,
    secret: &Secret,
    nonce: &[u8; NONCE_BYTES],
) -> Result<[u8; SECRET_BYTES], CryptError> {
    let (org, key_id) = (owner.org.uuid(), owner.key_id.uuid());
    let info: [&[u8]; 4] =
        [b"ledgerline seal v2 commit\0", org.as_bytes(), key_id.as_bytes(), nonce];
    Ok(*secret.derive(&info)?.bytes())
}

fn associated_v1(owner: Owner) -> Vec<u8> {
    [*owner.org.uuid().as_bytes(), *owner.key_id.uuid().as_bytes()].concat()
}

fn associated_v2(owner: Owner, binding: Binding) -> Vec<u8> {
    let mut bytes = b"ledgerline seal v2\0".to_vec();
    bytes.extend_from_slice(owner.org.uuid().as_bytes());
    bytes.extend_from_slice(owner.key_id.uuid().as_bytes());
    bytes.extend_from_slice(owner.subject.uuid().as_bytes());
    bytes.extend_from_slice(binding.purpose.name().as_bytes());
    bytes.push(0);
    if let Some(interaction) = binding.interaction {
        bytes.extend_from_slice(interaction.uuid().as_bytes());
    }
    bytes
}
