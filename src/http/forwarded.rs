//! For whom a trusted proxy asks.
//!
//! Headers are read from the right, where the nearest proxy wrote: each proxy that is trusted vouches for the hop before it, and
//! the first address that is no trusted proxy is the peer. What stands to the left of it anybody may have written.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header::FORWARDED};

use crate::{
    config::{ForwardedHeader, Network},
    problem::Problem,
};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Proxies whose word counts, and where they give it.
#[derive(Debug, Clone, Default)]
pub(super) struct Proxies {
    networks: Vec<Network>,
    header: ForwardedHeader,
}

/// Where a request began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) address: IpAddr,
    /// It came to the proxy over TLS.
    pub(super) secure: bool,
}

/// A hop as a proxy named it.
struct Hop<'a> {
    address: &'a str,
    secure: bool,
}

impl Proxies {
    pub(super) fn new(networks: Vec<Network>, header: ForwardedHeader) -> Self {
        Self { networks, header }
    }

    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.networks
            .iter()
            .any(|network| network.contains(address))
    }

    /// Where the request of this connection began. Without a header it began at the proxy itself, as its own health checks do.
    pub(super) fn origin(&self, peer: IpAddr, headers: &HeaderMap) -> Result<Origin, Problem> {
        let mut origin = Origin {
            address: peer,
            secure: false,
        };
        if !self.trusts(peer) {
            return Ok(origin);
        }
        let unread = || Problem::malformed("the proxy names no address for this request");
        let lines = match self.header {
            ForwardedHeader::XForwardedFor => headers.get_all(X_FORWARDED_FOR),
            ForwardedHeader::Forwarded => headers.get_all(FORWARDED),
        };
        // From the right: the last line first, each line from its end.
        for line in lines.iter().rev() {
            let line = line.to_str().map_err(|_| unread())?;
            for written in unquoted(line, ',').into_iter().rev() {
                if !self.trusts(origin.address) {
                    return Ok(origin);
                }
                let hop = match self.header {
                    ForwardedHeader::XForwardedFor => Hop {
                        address: written.trim(),
                        secure: nearest_is_https(headers),
                    },
                    ForwardedHeader::Forwarded => element(written).ok_or_else(unread)?,
                };
                origin = Origin {
                    address: address(hop.address).ok_or_else(unread)?,
                    secure: hop.secure,
                };
            }
        }
        Ok(origin)
    }
}

/// The scheme that the nearest proxy wrote.
fn nearest_is_https(headers: &HeaderMap) -> bool {
    let last = headers.get_all(X_FORWARDED_PROTO).iter().next_back();
    let last = last.and_then(|value| value.to_str().ok()?.rsplit(',').next());
    last.is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https"))
}

/// A `forwarded-element` (RFC 7239 §4).
fn element(written: &str) -> Option<Hop<'_>> {
    let mut hop = Hop {
        address: "",
        secure: false,
    };
    for pair in unquoted(written, ';') {
        let (name, value) = pair.trim().split_once('=')?;
        let value = value.trim_matches('"');
        if name.eq_ignore_ascii_case("for") {
            hop.address = value;
        } else if name.eq_ignore_ascii_case("proto") {
            hop.secure = value.eq_ignore_ascii_case("https");
        }
    }
    Some(hop)
}

/// An address, with or without a port; IPv6 with a port stands in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || Some(text.parse::<SocketAddr>().ok()?.ip());
    let address = text.parse().ok().or_else(bare).or_else(with_port)?;
    Some(IpAddr::to_canonical(&address))
}

/// The parts between separators, but for separators inside of quotes.
fn unquoted(text: &str, separator: char) -> Vec<&str> {
    let mut quoted = false;
    text.split(|c| {
        quoted ^= c == '"';
        c == separator && !quoted
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn origin(header: ForwardedHeader, peer: &str, lines: &[(&str, &str)]) -> Option<String> {
        let networks = ["10.0.0.0/8", "2001:db8::/32"].map(|n| n.parse().unwrap());
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let proxies = Proxies::new(networks.into(), header);
        let origin = proxies.origin(peer.parse().unwrap(), &headers).ok()?;
        let scheme = if origin.secure { "https" } else { "http" };
        Some(format!("{scheme} {}", origin.address))
    }

    #[test]
    fn only_a_trusted_proxys_word_counts_and_only_its_own() {
        let said = |peer, lines: &[(&str, &str)]| {
            origin(ForwardedHeader::XForwardedFor, peer, lines).unwrap_or_default()
        };
        let xff = "x-forwarded-for";
        assert_eq!(
            said("192.0.2.1", &[(xff, "198.51.100.7")]),
            "http 192.0.2.1"
        );
        assert_eq!(
            said("10.0.0.1", &[(xff, "198.51.100.7")]),
            "http 198.51.100.7"
        );
        // What the client wrote itself stands to the left.
        assert_eq!(
            said("10.0.0.1", &[(xff, "10.9.9.9, evil, 198.51.100.7")]),
            "http 198.51.100.7"
        );
        assert_eq!(
            said(
                "10.0.0.1",
                &[(xff, "10.9.9.9"), (xff, "198.51.100.7, 10.0.0.2")]
            ),
            "http 198.51.100.7"
        );
        assert_eq!(said("10.0.0.1", &[(xff, "10.0.0.2")]), "http 10.0.0.2");
        assert_eq!(said("10.0.0.1", &[]), "http 10.0.0.1");
        let proto = "x-forwarded-proto";
        let secure = [(xff, "198.51.100.7:4711"), (proto, "http, https")];
        assert_eq!(said("10.0.0.1", &secure), "https 198.51.100.7");
        assert_eq!(said("192.0.2.1", &secure), "http 192.0.2.1");
        // The other header passes a proxy as it came.
        let other = [("forwarded", "for=10.0.0.9")];
        assert_eq!(said("10.0.0.1", &other), "http 10.0.0.1");
        for unread in ["unknown", "", "198.51.100.7,", "198.51.100.256"] {
            assert_eq!(said("10.0.0.1", &[(xff, unread)]), "", "{unread}");
        }
    }

    #[test]
    fn forwarded_is_read_with_its_quotes() {
        let said = |value| {
            origin(
                ForwardedHeader::Forwarded,
                "2001:db8::1",
                &[("forwarded", value)],
            )
            .unwrap_or_default()
        };
        assert_eq!(
            said("for=\"[2001:db9:cafe::17]:4711\";proto=https"),
            "https 2001:db9:cafe::17"
        );
        assert_eq!(
            said("for=evil, By=x;For=\"192.0.2.43:80\";host=\"a,b;c\""),
            "http 192.0.2.43"
        );
        assert_eq!(
            said("for=192.0.2.43;proto=https, for=10.1.1.1;proto=http"),
            "https 192.0.2.43"
        );
        for unread in [
            "for=unknown",
            "for=_hidden",
            "proto=https",
            "192.0.2.43",
            "for=",
        ] {
            assert_eq!(said(unread), "", "{unread}");
        }
    }
}
