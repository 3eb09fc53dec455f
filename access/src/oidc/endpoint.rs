//! Which addresses keys may come from.

use url::{Host, Url};

/// An address of the settings or of a discovery document: `https`, or `http` on this machine.
pub(super) fn endpoint(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "is not a URL")?;
    if url.host().is_none() {
        return Err("names no host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user or a password");
    }
    if url.fragment().is_some() {
        return Err("must not have a fragment");
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err("must begin with https:// (http:// for this machine's loopback address only)"),
    }
}

/// Whether the address is this machine's own.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clear_text_stays_on_this_machine() {
        for text in [
            "https://login.example.com/realms/main",
            "https://login.example.com:8443/?tenant=1",
            "http://127.0.0.1:8081/",
            "http://127.9.9.9/",
            "http://[::1]:8081/",
            "http://localhost:8081/",
        ] {
            assert!(endpoint(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "login.example.com",
            "http://login.example.com/",
            "http://192.0.2.1/",
            "http://127.0.0.1.example.com/",
            "http://localhost.example.com/",
            "https://user@login.example.com/",
            "https://user:secret@login.example.com/",
            "https://login.example.com/#keys",
            "ftp://login.example.com/",
            "file:///etc/passwd",
            "data:application/json,{}",
        ] {
            assert!(endpoint(text).is_err(), "{text}");
        }
    }
}
