//! Which rules or limits may apply to a withdrawal, found without looking at each: for every condition on a single value
//! there is, per value, a set of those that the condition does not rule out, a bit each. Those in all sets are few, and
//! only they are asked. A set may hold too much, never too little.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::{Asset, Network};

use crate::condition::{Subject, When};
use crate::facts::{Call, DestinationClass, Initiator, Tier};
use crate::ids::WalletId;

/// Positions in a list of rules or limits, a bit each: bit `n % 64` of word `n / 64`.
type Bits = Vec<u64>;

/// The index of a list of rules or limits, by their positions in it.
#[derive(Debug)]
pub(crate) struct Index {
    words: usize,
    tiers: ByValue<Tier>,
    assets: ByValue<Asset>,
    classes: ByValue<DestinationClass>,
    calls: ByValue<Call>,
    chains: ByValue<Network>,
    wallets: ByValue<WalletId>,
    clients: ByValue<Initiator>,
    initiators: ByValue<Initiator>,
}

impl Index {
    /// Each with the asset that it is about by itself, if it is.
    pub(crate) fn of<'a>(list: impl IntoIterator<Item = (&'a When, Option<Asset>)>) -> Self {
        let (list, own): (Vec<&When>, Vec<Option<Asset>>) = list.into_iter().unzip();
        let assets = list.iter().zip(&own).map(|(when, own)| {
            // An amount is of one asset; so is what is about amounts.
            let of_amount = || when.amount.as_ref().map(|range| range.asset);
            let only = own.or_else(of_amount).map(|asset| vec![asset]);
            only.or_else(|| values(when.asset.as_ref()))
        });
        let clients = list.iter().map(|when| {
            let clients = when.client.iter().flatten().cloned();
            let named = clients.map(Initiator::Client).collect();
            when.client.is_some().then_some(named)
        });
        Self {
            words: list.len().div_ceil(64),
            tiers: ByValue::of(list.iter().map(|when| values(when.tier.as_ref()))),
            assets: ByValue::of(assets),
            classes: ByValue::of(list.iter().map(|when| values(when.destination.as_ref()))),
            calls: ByValue::of(list.iter().map(|when| values(when.call.as_ref()))),
            chains: ByValue::of(list.iter().map(|when| values(when.chain.as_ref()))),
            wallets: ByValue::of(list.iter().map(|when| values(when.wallet.as_ref()))),
            clients: ByValue::of(clients),
            initiators: ByValue::of(list.iter().map(|when| values(when.initiator.as_ref()))),
        }
    }

    /// The positions of those that may apply, in order. Allocates nothing.
    pub(crate) fn candidates(&self, subject: &Subject<'_>) -> impl Iterator<Item = usize> + '_ {
        let sets = [
            self.tiers.of_value(&subject.tier),
            self.assets.of_value(&subject.amount.asset()),
            self.classes.of_value(&subject.class),
            self.calls.of_value(&subject.call),
            self.chains.of_value(&subject.destination.network()),
            self.wallets.of_value(subject.wallet),
            self.clients.of_value(subject.initiator),
            self.initiators.of_value(subject.initiator),
        ];
        (0..self.words).flat_map(move |word| {
            let in_all = sets.iter().fold(u64::MAX, |left, set| {
                left & set.get(word).copied().unwrap_or_default()
            });
            ones(in_all).map(move |bit| word.saturating_mul(64).saturating_add(bit))
        })
    }
}

/// For each value that any condition names, what it does not rule out; and the same for every other value.
#[derive(Debug)]
struct ByValue<T> {
    named: BTreeMap<T, Bits>,
    others: Bits,
}

impl<T: Ord + Clone> ByValue<T> {
    /// From the values that each one's condition names; `None` where it has no such condition.
    fn of(conditions: impl Iterator<Item = Option<Vec<T>>>) -> Self {
        let conditions: Vec<Option<Vec<T>>> = conditions.collect();
        let without = conditions.iter().enumerate().filter(|(_, c)| c.is_none());
        let others = bits(without.map(|(position, _)| position));
        let mut positions: BTreeMap<T, Vec<usize>> = BTreeMap::new();
        for (position, condition) in conditions.iter().enumerate() {
            for value in condition.iter().flatten() {
                positions.entry(value.clone()).or_default().push(position);
            }
        }
        let named = positions.into_iter().map(|(value, positions)| {
            let mut set = bits(positions.into_iter());
            set.resize(set.len().max(others.len()), 0);
            for (word, more) in set.iter_mut().zip(&others) {
                *word |= more;
            }
            (value, set)
        });
        Self {
            named: named.collect(),
            others,
        }
    }

    fn of_value(&self, value: &T) -> &[u64] {
        self.named.get(value).unwrap_or(&self.others)
    }
}

fn values<T: Clone>(condition: Option<&BTreeSet<T>>) -> Option<Vec<T>> {
    Some(condition?.iter().cloned().collect())
}

/// The set of these positions.
fn bits(positions: impl Iterator<Item = usize>) -> Bits {
    let mut set = Bits::new();
    for position in positions {
        let word = position / 64;
        if set.len() <= word {
            set.resize(word.saturating_add(1), 0);
        }
        if let Some(bits) = set.get_mut(word) {
            *bits |= 1 << (position % 64);
        }
    }
    set
}

/// The numbers of the bits that are one, lowest first.
fn ones(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = usize::try_from(word.trailing_zeros())
            .ok()
            .filter(|_| word != 0)?;
        word &= word.wrapping_sub(1);
        Some(bit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::Match;
    use crate::facts::Facts;
    use crate::policy::Policy;
    use proptest::prelude::*;
    use proptest::sample::{select, subsequence};

    fn any_when() -> impl Strategy<Value = String> {
        let list = |values: &[&'static str]| {
            let some = subsequence(values.to_vec(), 1..values.len());
            prop::option::of(some.prop_map(|some| format!("[\"{}\"]", some.join("\", \""))))
        };
        let conditions = (
            list(&["hot", "warm", "cold"]),
            list(&["ETH", "LTC", "BTC"]),
            list(&["known", "new", "own"]),
            list(&["w-0", "w-1", "w-2"]),
            list(&["c-0", "c-1", "c-2"]),
            prop::option::of(1u64..6),
        );
        conditions.prop_map(|(tier, asset, class, wallet, client, above)| {
            let mut when: Vec<String> = Vec::new();
            when.extend(tier.map(|list| format!("tier = {list}")));
            match above {
                Some(above) => when.push(format!("amount = {{ above = \"{above} ETH\" }}")),
                None => when.extend(asset.map(|list| format!("asset = {list}"))),
            }
            when.extend(class.map(|list| format!("destination = {list}")));
            when.extend(wallet.map(|list| format!("wallet = {list}")));
            when.extend(client.map(|list| format!("client = {list}")));
            format!("when = {{ {} }}\n", when.join(", "))
        })
    }

    fn any_facts() -> impl Strategy<Value = Facts> {
        let tiers = select(vec!["hot", "warm", "cold"]);
        let classes = select(vec!["known", "new", "own", "blocked"]);
        let assets = select(vec![
            ("ETH", "eip155:1:0x00000000000000000000000000000000000000ff"),
            ("BTC", "bitcoin:bc1qqyqszqgpqyqszqgpqyqszqgpqyqszqgpyfl4f3"),
        ]);
        let initiators = select(vec!["client/c-0", "client/c-9", "operator/alice"]);
        (tiers, classes, assets, initiators, 0u64..4, 1u64..8).prop_map(
            |(tier, class, (asset, destination), initiator, wallet, amount)| {
                let facts = serde_json::json!({
                    "withdrawal": format!("wd_{:032x}", 1), "vault": "main", "tier": tier,
                    "wallet": format!("w-{wallet}"), "amount": format!("{amount} {asset}"),
                    "destination": destination, "class": class, "initiator": initiator,
                    "fee": format!("0.001 {asset}"), "at": 5,
                });
                serde_json::from_value(facts).unwrap()
            },
        )
    }

    const HEAD: &str = r#"
version = 1
[groups]
treasury = ["alice", "bob"]
[governance]
unfreeze = [{ group = "treasury", quorum = 1 }]
[tiers]
warm = { group = "treasury" }
cold = { group = "treasury", quorum = 1 }
[[rules]]
id = "allow"
effect = "allow"
"#;

    #[test]
    fn what_a_list_rules_out_is_not_looked_at() {
        let facts: Facts = serde_json::from_value(serde_json::json!({
            "withdrawal": format!("wd_{:032x}", 1), "vault": "main", "tier": "hot", "wallet": "w-0", "amount": "1 ETH",
            "destination": "eip155:1:0x00000000000000000000000000000000000000ff", "class": "known",
            "initiator": "client/c-0", "fee": "0.001 ETH", "at": 5,
        }))
        .unwrap();
        let mut text = HEAD.to_owned();
        for (n, when) in [
            "tier = [\"warm\"]",
            "asset = [\"BTC\"]",
            "destination = [\"new\"]",
            "call = [\"erc20-transfer\"]",
            "chain = [\"bitcoin\"]",
            "wallet = [\"w-1\"]",
            "client = [\"c-1\"]",
            "initiator = [\"operator/alice\"]",
            // Not a list: it is looked at.
            "amount = { above = \"1 ETH\" }",
        ]
        .into_iter()
        .enumerate()
        {
            text += &format!("[[rules]]\nid = \"r-{n}\"\neffect = \"deny\"\nwhen = {{ {when} }}\n");
        }
        let policy = Policy::parse(&text).unwrap();
        let subject = Subject::of(&facts, facts.at);
        let candidates: Vec<usize> = policy.0.rule_index.candidates(&subject).collect();
        // In order of id: "allow", then "r-8".
        assert_eq!(candidates, [0, 9]);
    }

    proptest! {
        #[test]
        fn the_index_finds_what_asking_each_finds(
            rules in prop::collection::vec(any_when(), 0..150),
            limits in prop::collection::vec(any_when(), 0..70),
            facts in prop::collection::vec(any_facts(), 8),
        ) {
            let mut text = HEAD.to_owned();
            for (n, when) in rules.iter().enumerate() {
                text += &format!("[[rules]]\nid = \"r-{n}\"\neffect = \"deny\"\n{when}");
            }
            for (n, when) in limits.iter().enumerate() {
                text += &format!(
                    "[[limits]]\nid = \"l-{n}\"\nper = \"vault\"\nmax_count = 5\nwindow = \"1h\"\non_breach = \"deny\"\n{when}"
                );
            }
            let policy = Policy::parse(&text).unwrap();
            for facts in &facts {
                let subject = Subject::of(facts, facts.at);
                let found: Vec<_> = policy.rules_about(&subject).map(|(n, ..)| n).collect();
                let matching = policy.0.rules.iter().enumerate().filter(|(_, rule)| rule.when.matches(&subject) != Match::No);
                prop_assert_eq!(found, matching.map(|(n, _)| n).collect::<Vec<_>>());
                let found: Vec<_> = policy.limits_on(&subject).map(|(n, _)| n).collect();
                let applying = policy.0.limits.iter().enumerate().filter(|(_, limit)| limit.applies(&subject));
                prop_assert_eq!(found, applying.map(|(n, _)| n).collect::<Vec<_>>());
            }
        }
    }
}
