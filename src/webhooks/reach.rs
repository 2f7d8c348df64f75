//! Where messages may go: to the world, not into the network that the daemon itself stands in. Whoever can choose an
//! endpoint's name or its DNS must not make the daemon post to a neighbour (OWASP: server-side request forgery).

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

/// Whether a URL says outright that it means this machine.
pub(crate) fn names_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host == LOCALHOST || literal(url).is_some_and(|ip| ip.is_loopback())
}

const LOCALHOST: &str = "localhost";

/// The address that stands in a URL instead of a name; the resolver is never asked for it.
pub(super) fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str().unwrap_or_default();
    host.trim_matches(['[', ']']).parse().ok()
}

/// Which addresses a name may lead to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    allow_private: bool,
    this_machine: bool,
}

impl Reach {
    pub(super) fn of(url: &Url, allow_private: bool) -> Self {
        Self {
            allow_private,
            this_machine: names_this_machine(url),
        }
    }

    pub(super) fn allows(self, ip: IpAddr) -> bool {
        self.allow_private || (self.this_machine && ip.is_loopback()) || is_public(ip)
    }
}

impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = *self;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let (allowed, refused): (Vec<SocketAddr>, Vec<SocketAddr>) =
                found.partition(|address| reach.allows(address.ip()));
            // One bad address among good ones is an attack in progress, or a mistake that would show some day.
            if allowed.is_empty() || !refused.is_empty() {
                return Err(io::Error::other(REFUSED).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Doesn't say which address: whoever reads logs must not learn the inside of a network from it.
pub(super) const REFUSED: &str =
    "its name leads to a private address; allow_private = true permits that";

/// Whether an address is one of the public internet's (IANA's special-purpose registries, RFC 6890).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = matches!(
        (a, b, c),
        (0 | 10 | 127, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
            | (224.., _, _)
    );
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            embedded(high, low)
        }
        // Teredo and the rest of 2001::/23, documentation, 6to4.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] => false,
        [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_inside_of_networks_are_not_public() {
        for inside in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "64:ff9b::a00:1",
            "fc00::1",
            "fd00::1",
            "fe80::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:a00:1::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "1.1.1.1",
            "100.63.0.1",
            "172.32.0.1",
            "192.1.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn only_a_url_that_says_so_or_a_permission_leads_to_this_machine() {
        let allows = |url: &str, permitted, ip: &str| {
            let url = Url::parse(url).unwrap();
            Reach::of(&url, permitted).allows(ip.parse().unwrap())
        };
        assert!(allows("http://127.0.0.1:9/", false, "127.0.0.1"));
        assert!(allows("http://localhost/", false, "::1"));
        assert!(!allows("http://localhost/", false, "10.0.0.1"));
        assert!(!allows("https://shop.example/", false, "127.0.0.1"));
        assert!(!allows("https://shop.example/", false, "169.254.169.254"));
        assert!(allows("https://shop.example/", true, "10.0.0.1"));
        assert!(allows("https://shop.example/", false, "1.1.1.1"));
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_resolved() {
        let url = Url::parse("https://shop.example/").unwrap();
        let outcome = Reach::of(&url, false)
            .resolve("localhost".parse().unwrap())
            .await;
        let refused = outcome.err().unwrap();
        assert_eq!(refused.to_string(), REFUSED);
        let outcome = Reach::of(&url, true)
            .resolve("localhost".parse().unwrap())
            .await;
        assert!(outcome.unwrap().next().is_some());
    }
}
