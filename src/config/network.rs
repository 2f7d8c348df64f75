//! Networks, as allow-lists write them.

use std::{net::IpAddr, str::FromStr};

use ipnet::IpNet;
use serde::Deserialize;

/// A network such as `10.0.0.0/8` or `2001:db8::/32`. An address alone is the network that it makes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Network(IpNet);

/// What can't be meant as a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Neither an address nor a network.
    #[error("{0:?} is no network such as 10.0.0.0/8, and no address")]
    Form(String),
    /// An address inside of a network, where a network was meant, or a wrong prefix.
    #[error("{written:?} has bits beyond its prefix; the network is {network}")]
    HostBits {
        /// As it was written.
        written: String,
        /// What it lies in.
        network: IpNet,
    },
    /// IPv4 written as IPv6. Addresses are compared as what they are, so it would never match.
    #[error("{0:?} is an IPv4 network in the form of an IPv6 one; write it as IPv4")]
    Mapped(String),
}

impl Network {
    /// Whether an address lies in it. An IPv4 address in the form of an IPv6 one counts as the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let alone = || text.parse::<IpAddr>().map(IpNet::from);
        let Ok(network) = text.parse::<IpNet>().or_else(|_| alone()) else {
            return Err(NetworkError::Form(text.to_owned()));
        };
        if network.addr().to_canonical() != network.addr() {
            return Err(NetworkError::Mapped(text.to_owned()));
        }
        if network.trunc() != network {
            return Err(NetworkError::HostBits {
                written: text.to_owned(),
                network: network.trunc(),
            });
        }
        Ok(Self(network))
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Self, NetworkError> {
        text.parse()
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses_in_whichever_form_they_come() {
        let holds = |network: &str, address: &str| {
            let network: Network = network.parse().unwrap();
            network.contains(address.parse().unwrap())
        };
        assert!(holds("10.0.0.0/8", "10.255.0.1"));
        assert!(holds("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(!holds("10.0.0.0/8", "11.0.0.0"));
        assert!(!holds("10.0.0.0/8", "a00::1"));
        assert!(holds("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(!holds("2001:db8::/32", "2001:db9::"));
        assert!(holds("192.0.2.7", "192.0.2.7"));
        assert!(!holds("192.0.2.7", "192.0.2.8"));
        assert!(holds("0.0.0.0/0", "8.8.8.8"));
        assert!(!holds("0.0.0.0/0", "2001:db8::1"));
    }

    #[test]
    fn what_can_not_be_meant_is_refused_with_what_was_meant() {
        for (wrong, says) in [
            ("10.0.0.1/8", "10.0.0.0/8"),
            ("10.0.0.0/33", "no network"),
            ("10.0.0.0/-1", "no network"),
            ("10.0.0", "no network"),
            ("", "no network"),
            ("localhost", "no network"),
            ("::ffff:10.0.0.0/104", "as IPv4"),
            ("10.0.0.0/8 ", "no network"),
        ] {
            let fault = wrong.parse::<Network>().unwrap_err().to_string();
            assert!(fault.contains(says), "{wrong}: {fault}");
        }
    }
}
