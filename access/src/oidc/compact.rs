//! The compact form of a signed token (RFC 7515, section 3.1), read before anything of it is believed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::MAX_TOKEN_BYTES;
use crate::error::AccessError;

/// Longest key id that is looked up, bytes.
const KID_BYTES_MAX: usize = 256;

/// What of the header is used. The library that checks the signature reads the header again, with the algorithm pinned.
#[derive(Debug, Deserialize)]
pub(super) struct TokenHeader {
    pub(super) alg: String,
    #[serde(default)]
    pub(super) kid: Option<String>,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default)]
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Issuer {
    iss: String,
}

/// The `iss` that a token claims, not verified; good for choosing who verifies it and for nothing else.
pub(crate) fn issuer_of(token: &str) -> Option<String> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let (_, payload) = parts(token)?;
    let bytes = URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice::<Issuer>(&bytes).ok().map(|found| found.iss)
}

/// The header, if it is of a kind that can be verified at all.
pub(super) fn header_of(token: &str) -> Result<TokenHeader, AccessError> {
    let malformed = |reason: &str| AccessError::Malformed(reason.to_owned());
    if token.len() > MAX_TOKEN_BYTES {
        return Err(AccessError::Malformed(format!("longer than {MAX_TOKEN_BYTES} bytes")));
    }
    let (header, _) = parts(token).ok_or_else(|| malformed("not a signed token of three parts"))?;
    let bytes = URL_SAFE_NO_PAD.decode(header).map_err(|_| malformed("not base64url inside"))?;
    let header: TokenHeader = serde_json::from_slice(&bytes)
        .map_err(|_| malformed("a header field has the wrong form"))?;
    // RFC 7515, section 4.1.11: what is critical and not understood is refused; we understand no extension.
    if header.crit.is_some() {
        return Err(malformed("header field 'crit' asks for an extension"));
    }
    // RFC 8725, section 3.11: a token made for something else (a logout, a proof) is not a bearer token.
    let typ = header.typ.as_deref().unwrap_or("JWT").to_ascii_lowercase();
    if !matches!(typ.strip_prefix("application/").unwrap_or(&typ), "jwt" | "at+jwt") {
        return Err(malformed("header field 'typ' is neither JWT nor at+jwt"));
    }
    if header.kid.as_ref().is_some_and(|kid| kid.len() > KID_BYTES_MAX) {
        return Err(malformed("header field 'kid' is too long"));
    }
    Ok(header)
}

/// Header and payload, still encoded.
fn parts(token: &str) -> Option<(&str, &str)> {
    let mut parts = token.split('.');
    let (header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some((header, payload))
}
