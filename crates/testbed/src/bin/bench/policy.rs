//! A verdict's cost with many rules.

use std::{fmt::Write as _, hint::black_box, time::Instant};

use custodyd_chain::{Address, Amount, Asset, Network};
use custodyd_policy::{DestinationClass, Facts, LimitBook, Policy, Tier, Timestamp, WithdrawalId};

use crate::Failure;

/// Verdicts measured.
const VERDICTS: u64 = 20_000;

/// The median time of a verdict in microseconds: `rules` rules of which a third match, three limits, and a history.
pub(crate) fn median_us(rules: u32) -> Result<f64, Failure> {
    let policy = Policy::parse(&policy_of(rules))?;
    let mut book = LimitBook::default();
    let network: Network = "eip155:31337".parse()?;
    let mut facts = Facts {
        withdrawal: WithdrawalId::from_bytes([0; 16]),
        vault: "main".parse()?,
        wallet: "hot-eth".parse()?,
        tier: Tier::Hot,
        amount: Amount::parse(Asset::Eth, "0.5")?,
        destination: Address::parse(network, "0x70997970C51812dc3A010C7d01b50e0d17dc79C8")?,
        class: DestinationClass::New,
        initiator: "client/exchange".parse()?,
        fiat: None,
        fee: Amount::zero(Asset::Eth),
        destination_tier: None,
        tags: Default::default(),
        flags: Default::default(),
        call: Default::default(),
        at: Timestamp::from_ms(1_700_000_000_000),
    };
    let mut times = Vec::new();
    for n in 0..VERDICTS {
        let mut id = [0; 16];
        id.iter_mut()
            .zip(n.to_be_bytes())
            .for_each(|(to, from)| *to = from);
        facts.withdrawal = WithdrawalId::from_bytes(id);
        facts.at =
            Timestamp::from_ms(1_700_000_000_000_u64.saturating_add(n.saturating_mul(1_000)));
        let began = Instant::now();
        black_box(policy.evaluate(black_box(&facts), &book));
        times.push(began.elapsed());
        book.reserve(&policy, &facts);
    }
    times.sort();
    let median = times.get(times.len() / 2).ok_or("nothing was measured")?;
    Ok(median.as_secs_f64() * 1e6)
}

fn policy_of(rules: u32) -> String {
    let mut text = String::from(super::load::HEAD);
    for n in 0..rules {
        let (tier, bound) = match n % 3 {
            0 => ("hot", "at_most = \"1 ETH\""),
            1 => ("hot", "above = \"1 ETH\""),
            _ => ("warm", "at_most = \"1 ETH\""),
        };
        let _ = write!(
            text,
            "[[rules]]\nid = \"rule-{n}\"\neffect = \"allow\"\nwhen = {{ tier = [\"{tier}\"], amount = {{ {bound} }} }}\n"
        );
        if n % 3 == 0 && n % 2 == 0 {
            text.push_str("require = [{ group = \"treasury\", quorum = 1 }]\n");
        }
    }
    text.push_str(super::load::LIMITS);
    text
}
