//! Signatures of webhooks as Standard Webhooks 1.0 say: HMAC-SHA256 over id, time and body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::secret::Secret;

/// The value of `webhook-signature`.
///
/// # Errors
/// When the key cannot be used.
pub fn sign(key: &Secret, id: &str, timestamp_s: i64, body: &[u8]) -> Result<String, String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.bytes()).map_err(|error| error.to_string())?;
    mac.update(format!("{id}.{timestamp_s}.").as_bytes());
    mac.update(body);
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}
