//! Which addresses a webhook may go to: nothing inside the house unless the settings allow that host.
//!
//! The name is resolved here, every address it has is looked at, and the request goes to these addresses and no
//! others: a name that resolves differently a moment later changes nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::{Host, Url};

use super::undelivered::Undelivered;

/// Hosts of the house that may be reached, in clear too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateHosts {
    /// Each `host` or `host:port`.
    pub hosts: Vec<String>,
    /// The setting that names them, for refusals.
    pub setting: &'static str,
}

impl PrivateHosts {
    fn allow(&self, host: &str, port: u16) -> bool {
        let with_port = format!("{host}:{port}");
        self.hosts
            .iter()
            .any(|it| it.eq_ignore_ascii_case(host) || it.eq_ignore_ascii_case(&with_port))
    }
}

/// Where a URL leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The URL.
    pub url: Url,
    /// Its host as it is resolved.
    pub host: String,
    /// The addresses that may be connected to.
    pub addresses: Vec<SocketAddr>,
    /// It is one of the house that is allowed.
    pub is_private: bool,
}

/// Why an address is not for webhooks; `None` when it is.
#[must_use]
pub fn forbidden(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => forbidden_v4(address),
        IpAddr::V6(address) => forbidden_v6(address),
    }
}

fn forbidden_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    Some(match (a, b, c) {
        (127, ..) => "loopback",
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => "private",
        (169, 254, _) => "link-local",
        (100, 64..=127, _) => "shared by a carrier",
        (0, ..) => "unspecified",
        (192, 0, 0 | 2) | (198, 51, 100) | (203, 0, 113) | (198, 18..=19, _) | (192, 88, 99) => {
            "reserved"
        }
        (224..=239, ..) => "multicast",
        (240..=255, ..) => "reserved",
        _ => return None,
    })
}

fn forbidden_v6(address: Ipv6Addr) -> Option<&'static str> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let embedded = |high: u16, low: u16| {
        let [[one, two], [three, four]] = [high.to_be_bytes(), low.to_be_bytes()];
        forbidden_v4(Ipv4Addr::new(one, two, three, four))
    };
    match (a, b) {
        _ if address.is_loopback() => Some("loopback"),
        _ if address.is_unspecified() => Some("unspecified"),
        // IPv4 in another dress: mapped, compatible, translated, 6to4.
        (0, 0) if (c, d, e) == (0, 0, 0) && (f == 0xffff || f == 0) => embedded(g, h),
        (0x64, 0xff9b) if (c, d, e, f) == (0, 0, 0, 0) => embedded(g, h),
        (0x64, 0xff9b) => Some("private"),
        (0x2002, _) => embedded(b, c),
        (0xfc00..=0xfdff, _) => Some("private"),
        (0xfe80..=0xfebf, _) => Some("link-local"),
        (0xfec0..=0xfeff, _) => Some("private"),
        (0xff00..=0xffff, _) => Some("multicast"),
        (0x2001, 0 | 0xdb8) | (0x100, 0) => Some("reserved"),
        _ => None,
    }
}

/// The place without what may be secret in a URL: scheme, host and port.
#[must_use]
pub fn shown(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Resolves a URL and looks at every address it leads to.
///
/// # Errors
/// [`Undelivered`]: for now when the name does not resolve, for good when the settings do not allow the place.
pub async fn destination(text: &str, private: &PrivateHosts) -> Result<Destination, Undelivered> {
    let url = Url::parse(text).map_err(|error| Undelivered::never(format!("url: {error}")))?;
    let port = url.port_or_known_default();
    let (Some(host), Some(port)) = (url.host(), port) else {
        return Err(Undelivered::never("url: names no host"));
    };
    let (name, literal) = match host {
        Host::Domain(name) => (name.to_owned(), None),
        Host::Ipv4(address) => (address.to_string(), Some(IpAddr::V4(address))),
        Host::Ipv6(address) => (address.to_string(), Some(IpAddr::V6(address))),
    };
    let is_private = private.allow(&name, port);
    if url.scheme() != "https" && !is_private {
        let setting = private.setting;
        return Err(Undelivered::never(format!(
            "url: only https, unless {setting} names the host"
        )));
    }
    let addresses: Vec<SocketAddr> = match literal {
        Some(address) => vec![SocketAddr::new(address, port)],
        None => match tokio::net::lookup_host((name.as_str(), port)).await {
            Ok(found) => found.collect(),
            Err(_) => return Err(Undelivered::later("the host's name cannot be resolved")),
        },
    };
    if addresses.is_empty() {
        return Err(Undelivered::later("the host's name has no address"));
    }
    if !is_private && let Some(kind) = addresses.iter().find_map(|address| forbidden(address.ip()))
    {
        let setting = private.setting;
        return Err(Undelivered::never(format!(
            "the host has a {kind} address; name it in {setting} to allow it"
        )));
    }
    Ok(Destination { url, host: name, addresses, is_private })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_house_are_refused_in_every_dress() {
        for (address, expected) in [
            ("127.0.0.1", Some("loopback")),
            ("127.8.9.1", Some("loopback")),
            ("10.1.2.3", Some("private")),
            ("172.15.0.1", None),
            ("172.16.0.1", Some("private")),
            ("172.31.255.255", Some("private")),
            ("172.32.0.1", None),
            ("192.168.1.1", Some("private")),
            ("169.254.169.254", Some("link-local")),
            ("100.64.0.1", Some("shared by a carrier")),
            ("0.0.0.0", Some("unspecified")),
            ("224.0.0.1", Some("multicast")),
            ("255.255.255.255", Some("reserved")),
            ("198.18.0.1", Some("reserved")),
            ("9.9.9.9", None),
            ("::1", Some("loopback")),
            ("::", Some("unspecified")),
            ("::ffff:127.0.0.1", Some("loopback")),
            ("::ffff:169.254.169.254", Some("link-local")),
            ("::10.0.0.1", Some("private")),
            ("64:ff9b::7f00:1", Some("loopback")),
            ("64:ff9b:1::1", Some("private")),
            ("2002:7f00:1::", Some("loopback")),
            ("2002:909:909::1", None),
            ("fc00::1", Some("private")),
            ("fdff::1", Some("private")),
            ("fe80::1", Some("link-local")),
            ("fec0::1", Some("private")),
            ("ff02::1", Some("multicast")),
            ("2001:db8::1", Some("reserved")),
            ("2001::1", Some("reserved")),
            ("2620:fe::fe", None),
        ] {
            assert_eq!(forbidden(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[tokio::test]
    async fn only_named_hosts_of_the_house_are_reached() {
        let hosts = vec!["127.0.0.1:9000".into(), "localhost".into()];
        let private = PrivateHosts { hosts, setting: "private_hosts" };
        for (url, allowed) in [
            ("http://127.0.0.1:9000/x", true),
            ("https://127.0.0.1:9000/x", true),
            ("http://127.0.0.1:9001/x", false),
            ("https://127.0.0.1:9001/x", false),
            // Other ways to write the same address.
            ("https://2130706433/", false),
            ("https://0x7f.1/", false),
            ("https://[::ffff:7f00:1]/", false),
            ("https://169.254.169.254/latest", false),
            ("http://9.9.9.9/", false),
            ("https://9.9.9.9/", true),
            ("http://localhost:1/", true),
            ("ftp://9.9.9.9/", false),
        ] {
            let found = destination(url, &private).await;
            assert_eq!(found.is_ok(), allowed, "{url}: {found:?}");
            if let Err(refused) = found {
                assert!(!refused.passes, "{url}: {refused:?}");
            }
        }
    }
}
