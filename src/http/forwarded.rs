//! For whom a trusted proxy asks.
//!
//! Headers are read from the right, where the nearest proxy wrote: each proxy that is trusted vouches for the hop before it, and
//! the first address that is no trusted proxy is the peer. What stands to the left of it anybody may have written.
//!
//! Invariant: what a client writes itself can have its own request refused, and never changes what the nearest proxy's words mean.

mod rfc7239;

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header::FORWARDED};

use self::rfc7239::Element;
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

impl Origin {
    /// At the other end of the connection itself.
    pub(super) fn at(address: IpAddr) -> Self {
        Self {
            address,
            secure: false,
        }
    }
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
        let mut origin = Origin::at(peer);
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
            for hop in self
                .hops(line, headers)
                .ok_or_else(unread)?
                .into_iter()
                .rev()
            {
                if !self.trusts(origin.address) {
                    return Ok(origin);
                }
                origin = hop.ok_or_else(unread)?;
            }
        }
        Ok(origin)
    }

    /// The hops that a line names, from its left, each of them none if it names no address; none at all where the line is out of
    /// form.
    fn hops(&self, line: &str, headers: &HeaderMap) -> Option<Vec<Option<Origin>>> {
        let hop = |node: &str, secure| {
            let address = address(node)?;
            Some(Origin { address, secure })
        };
        match self.header {
            // A list without quotes: what a quote stands in is no address.
            ForwardedHeader::XForwardedFor => {
                let secure = nearest_is_https(headers);
                let nodes = line.split(',').map(str::trim);
                Some(nodes.map(|node| hop(node, secure)).collect())
            }
            ForwardedHeader::Forwarded => {
                let elements = rfc7239::elements(line)?.into_iter();
                let read = |element: Element<'_>| hop(&element.node?, element.secure);
                Some(elements.map(read).collect())
            }
        }
    }
}

/// The scheme that the nearest proxy wrote.
fn nearest_is_https(headers: &HeaderMap) -> bool {
    let last = headers.get_all(X_FORWARDED_PROTO).iter().next_back();
    let last = last.and_then(|value| value.to_str().ok()?.rsplit(',').next());
    last.is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https"))
}

/// An address, with or without a port; IPv6 with a port stands in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || Some(text.parse::<SocketAddr>().ok()?.ip());
    let address = text.parse().ok().or_else(bare).or_else(with_port)?;
    Some(IpAddr::to_canonical(&address))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

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
            said(r#"for=2001:db8::9, x="a\"b";for=192.0.2.43"#),
            "",
            "a colon needs quotes"
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

    /// What a client wrote, with what its proxy appends.
    fn appended(header: ForwardedHeader, written: &str) -> Option<String> {
        let (name, own) = match header {
            ForwardedHeader::XForwardedFor => ("x-forwarded-for", "198.51.100.7"),
            ForwardedHeader::Forwarded => ("forwarded", "for=198.51.100.7"),
        };
        origin(header, "10.0.0.1", &[(name, &format!("{written}, {own}"))])
    }

    #[test]
    fn a_quote_that_a_client_leaves_open_or_escapes_does_not_swallow_what_the_proxy_appends() {
        for (written, expected) in [
            (r#"for=10.1.2.3;x="\"""#, Some("http 198.51.100.7")),
            (r#"for=10.1.2.3;x=""#, None),
            (r#"for=10.1.2.3;x="\"#, None),
        ] {
            let read = appended(ForwardedHeader::Forwarded, written);
            assert_eq!(read.as_deref(), expected, "{written}");
        }
        for written in [r#"10.1.2.3""#, r#""10.1.2.3"#, r#"10.1.2.3, ""#] {
            let read = appended(ForwardedHeader::XForwardedFor, written);
            assert_eq!(read.as_deref(), Some("http 198.51.100.7"), "{written}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]
        #[test]
        fn what_a_client_writes_in_front_never_changes_the_address_that_its_proxy_appends(
            written in prop::collection::vec(
                prop::sample::select(vec!["for=10.1.2.3;x=", "10.1.2.3", "\"", "\\", ",", ";", "a", " "]),
                0..8,
            )
        ) {
            let written = written.concat();
            for header in [ForwardedHeader::Forwarded, ForwardedHeader::XForwardedFor] {
                if let Some(read) = appended(header, &written) {
                    prop_assert_eq!(read, "http 198.51.100.7", "{:?}", written);
                }
            }
        }
    }
}
