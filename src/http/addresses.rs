//! How fast each address may ask, whoever signed: before any signature is verified.
//!
//! Invariant: memory is bounded. Two generations of buckets are kept; when the young one is full it becomes the old one, and what
//! was not seen for a whole generation is forgotten. Whoever has more addresses than that has as many buckets anyway.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::bucket::{Bucket, Empty, Rate};

/// Addresses in one generation: both take about 8 MiB.
const MOST_ADDRESSES: usize = 65_536;

/// What counts as one address: an IPv4 address, or the /64 that an IPv6 host has for itself (RFC 6177).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Source {
    /// An IPv4 address.
    V4(u32),
    /// The upper half of an IPv6 address.
    V6(u64),
}

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
            }
        }
    }
}

/// A bucket for each address.
#[derive(Debug)]
pub(super) struct AddressRates {
    rate: Rate,
    most: usize,
    buckets: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Source, Bucket>,
    old: HashMap<Source, Bucket>,
}

impl AddressRates {
    pub(super) fn new(rate: Rate) -> Self {
        Self::remembering(rate, MOST_ADDRESSES)
    }

    fn remembering(rate: Rate, most: usize) -> Self {
        Self {
            rate,
            most,
            buckets: Mutex::default(),
        }
    }

    /// Takes one request of an address. `now` is time since any fixed moment.
    pub(super) fn take(&self, address: IpAddr, now: Duration) -> Result<(), Empty> {
        let source = Source::from(address);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.young.get_mut(&source) {
            return bucket.take(self.rate, now);
        }
        let known = buckets.old.remove(&source);
        let mut bucket = known.unwrap_or_else(|| Bucket::full(self.rate, now));
        let taken = bucket.take(self.rate, now);
        if buckets.young.len() >= self.most {
            buckets.old = std::mem::take(&mut buckets.young);
        }
        buckets.young.insert(source, bucket);
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, num::NonZeroU32};

    use super::*;

    fn rates(most: usize) -> AddressRates {
        let one = NonZeroU32::MIN;
        AddressRates::remembering(Rate::per_second(one, one), most)
    }

    #[test]
    fn each_address_has_a_bucket_of_its_own_and_a_64_of_ipv6_shares_one() {
        let rates = rates(100);
        let ok = |address: &str| rates.take(address.parse().unwrap(), Duration::ZERO).is_ok();
        assert!(ok("10.0.0.1"));
        assert!(!ok("10.0.0.1"));
        assert!(!ok("::ffff:10.0.0.1"));
        assert!(ok("10.0.0.2"));
        assert!(ok("2001:db8:1:2::1"));
        assert!(!ok("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert!(ok("2001:db8:1:3::1"));
        let later = Duration::from_secs(1);
        assert!(rates.take("10.0.0.1".parse().unwrap(), later).is_ok());
    }

    #[test]
    fn a_flood_of_addresses_takes_bounded_memory_and_those_who_keep_asking_are_not_forgotten() {
        let rates = rates(64);
        let steady: IpAddr = "10.0.0.1".parse().unwrap();
        assert!(rates.take(steady, Duration::ZERO).is_ok());
        for number in 0..10_000_u32 {
            let address = Ipv4Addr::from_bits(0x0b00_0000 + number).into();
            assert!(rates.take(address, Duration::ZERO).is_ok());
            if number % 32 == 0 {
                assert!(rates.take(steady, Duration::ZERO).is_err(), "{number}");
            }
            let buckets = rates.buckets.lock().unwrap();
            assert!(buckets.young.len() + buckets.old.len() <= 128);
        }
    }
}
