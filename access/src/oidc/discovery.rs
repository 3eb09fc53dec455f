//! Where an issuer publishes its keys (OpenID Connect Discovery 1.0, sections 4 and 4.3).

use serde::Deserialize;
use url::Url;

use super::endpoint::{endpoint, is_loopback};
use super::fetch::FetchError;

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

/// The address of the discovery document: the issuer without a slash at its end, and the well-known path.
pub(super) fn document_of(issuer: &str) -> Result<Url, &'static str> {
    let issuer = issuer.strip_suffix('/').unwrap_or(issuer);
    endpoint(&format!("{issuer}/.well-known/openid-configuration"))
}

/// The address of the key set that the document names.
pub(super) fn jwks_uri(issuer: &str, bytes: &[u8]) -> Result<Url, FetchError> {
    let refused = |reason: &str| FetchError(format!("discovery document: {reason}"));
    let document: Document = serde_json::from_slice(bytes)
        .map_err(|_| refused("not a JSON object with issuer and jwks_uri"))?;
    // Byte by byte, as section 4.3 demands: otherwise one issuer could speak for another.
    if document.issuer != issuer {
        return Err(refused("issuer is not the configured one"));
    }
    let found =
        endpoint(&document.jwks_uri).map_err(|reason| refused(&format!("jwks_uri {reason}")))?;
    let ours = endpoint(issuer).is_ok_and(|url| is_loopback(&url));
    if is_loopback(&found) && !ours {
        return Err(refused("jwks_uri is an address of this machine"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(issuer: &str, says: &str, jwks: &str) -> Result<String, String> {
        let bytes = json!({"issuer": says, "jwks_uri": jwks, "scopes_supported": ["openid"]});
        jwks_uri(issuer, bytes.to_string().as_bytes())
            .map(|url| url.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_document_is_below_the_issuer() {
        let at = |issuer| document_of(issuer).map(|url| url.to_string());
        let expected = "https://id.example.com/realms/a/.well-known/openid-configuration";
        assert_eq!(at("https://id.example.com/realms/a").as_deref(), Ok(expected));
        assert_eq!(at("https://id.example.com/realms/a/").as_deref(), Ok(expected));
        assert!(at("http://id.example.com").is_err());
    }

    #[test]
    fn an_issuer_speaks_for_itself_only() {
        let (ours, keys) = ("https://id.example.com", "https://keys.example.com/jwks");
        assert_eq!(found(ours, ours, keys), Ok(keys.to_owned()));
        for says in ["https://id.example.com/", "https://ID.example.com", "https://other.test"] {
            assert!(found(ours, says, keys).unwrap_err().contains("issuer"), "{says}");
        }
        for jwks in ["http://id.example.com/jwks", "file:///etc/passwd", "/jwks"] {
            assert!(found(ours, ours, jwks).unwrap_err().contains("jwks_uri"), "{jwks}");
        }
        // From outside nobody points into this machine; an issuer on this machine may.
        let local = "http://127.0.0.1:1/jwks";
        assert!(found(ours, ours, local).is_err());
        assert!(found(ours, ours, "https://127.0.0.1:1/jwks").is_err());
        assert!(found("http://127.0.0.1:2", "http://127.0.0.1:2", local).is_ok());
        assert!(jwks_uri(ours, b"<html>").is_err());
    }
}
