//! What is known of destinations, against models that look through everything, and at the size that an exchange has.

use custodyd_chain::Network;
use custodyd_policy::{Probe, SECOND_MS};
use proptest::prelude::*;

use super::*;

fn eth() -> Network {
    "eip155:1".parse().unwrap()
}

fn account(bytes: [u8; 20]) -> Address {
    Address::parse(eth(), &format!("0x{}", hex::encode(bytes))).unwrap()
}

/// An account that begins and ends with a byte of choice.
fn ends(first: u8, last: u8, middle: u32) -> Address {
    let mut bytes = [0x77; 20];
    (bytes[0], bytes[1], bytes[18], bytes[19]) = (first, first, last, last);
    bytes[8..12].copy_from_slice(&middle.to_be_bytes());
    account(bytes)
}

fn terms() -> DestinationTerms {
    DestinationTerms::default()
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_ms(ms)
}

fn entry(added_at: u64) -> Entry {
    Entry {
        name: format!("added at {added_at}"),
        tags: ["exchange".parse().unwrap()].into(),
        added_at: at(added_at),
        founding: false,
    }
}

fn wei(units: u64) -> Amount {
    Amount::from_u64(custodyd_chain::Asset::Eth, units).unwrap()
}

fn known() -> Destinations {
    Destinations::new(LookAlike::default())
}

/// The addresses of a theft of 3 May 2024: 1,155 WBTC went to the second, copied from a list of transactions.
const MEANT: &str = "0xd9A1b0B1e1aE382DbDc898Ea68012FfcB2853a91";
const POISON: &str = "0xd9A1C3788D81257612E2581A6ea0aDa244853a91";

#[test]
fn a_poisoned_address_is_told_from_the_one_that_was_meant_whatever_its_case() {
    let [meant, poison] = [MEANT, POISON].map(|text| Address::parse(eth(), text).unwrap());
    let mut book = known();
    book.add(meant.clone(), entry(0));
    let sight = book.look_at(&poison, wei(1), &terms(), at(u64::from(u32::MAX)));
    assert!(sight.flags.contains(&Flag::LookAlike));
    assert_eq!(sight.resembles, Some(meant.clone()));
    let sight = book.look_at(&meant, wei(1), &terms(), at(u64::from(u32::MAX)));
    assert_eq!(
        (sight.resembles, sight.class),
        (None, DestinationClass::Known)
    );

    // A wallet that is ours, and an address that was paid, can be imitated just as well.
    let mut own = known();
    own.add_own(meant.clone(), "hot".parse().unwrap());
    assert_eq!(own.resembled(&poison, &terms(), at(0)), Some(meant.clone()));
    assert_eq!(own.resembled(&meant, &terms(), at(0)), None);
    let mut paid = known();
    paid.paid(&meant, wei(1), 7, at(0));
    assert_eq!(
        paid.resembled(&poison, &terms(), at(0)),
        Some(meant.clone())
    );
    // Once the imitation was paid too, it is still the one that came later.
    paid.paid(&poison, wei(1), 8, at(0));
    assert_eq!(
        paid.resembled(&poison, &terms(), at(0)),
        Some(meant.clone())
    );
    assert_eq!(paid.resembled(&meant, &terms(), at(0)), None);
}

#[test]
fn the_prefix_of_a_network_is_no_likeness() {
    let network: Network = "bitcoin".parse().unwrap();
    let address = |text: &str| Address::parse(network, text).unwrap();
    let mut known = known();
    // BIP-173's and BIP-350's own examples, and the address of the first block.
    known.add(
        address("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
        entry(0),
    );
    for other in [
        "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
    ] {
        assert_eq!(
            known.resembled(&address(other), &terms(), at(0)),
            None,
            "{other}"
        );
    }
    assert_eq!(
        address("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4").distinctive(),
        "w508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
    );
    assert_eq!(
        address("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa").distinctive(),
        "A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
    );
    assert!(
        Address::parse(eth(), MEANT)
            .unwrap()
            .distinctive()
            .starts_with("d9a1b0")
    );
}

fn of_type<T>(_: &T, value: T) -> T {
    value
}

#[test]
fn a_bitcoin_address_that_begins_and_ends_alike_is_found() {
    let network: Network = "bitcoin".parse().unwrap();
    let meant = Address::parse(network, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4").unwrap();
    // Eight characters take somebody an hour to find; three at the beginning and one at the end don't.
    let loose = LookAlike {
        prefix: 3,
        suffix: 1,
    };
    let program = meant.script_pubkey().unwrap();
    let found = (0..4_096_u32).find_map(|salt| {
        let mut bytes = program.clone().into_bytes();
        bytes[10..14].copy_from_slice(&salt.to_be_bytes());
        let made = Address::from_script(network, &of_type(&program, bytes.into())).unwrap();
        let alike = made != meant && made.as_str().ends_with('4');
        alike.then_some(made)
    });
    let mut known = Destinations::new(loose);
    known.add(meant.clone(), entry(0));
    assert_eq!(
        known.resembled(&found.unwrap(), &terms(), at(0)),
        Some(meant)
    );
}

#[test]
fn an_entry_is_new_until_its_cool_off_is_over_and_a_founding_one_never() {
    let address = ends(1, 2, 3);
    let mut book = known();
    book.add(address.clone(), entry(1_000));
    let cool_off = terms().cool_off_ms;
    for (ms, class, cooling) in [
        (1_000, DestinationClass::New, true),
        (1_000 + cool_off - 1, DestinationClass::New, true),
        (1_000 + cool_off, DestinationClass::Known, false),
    ] {
        let sight = book.look_at(&address, wei(1), &terms(), at(ms));
        assert_eq!(sight.class, class, "at {ms}");
        assert_eq!(sight.flags.contains(&Flag::CoolingOff), cooling, "at {ms}");
        assert_eq!(sight.tags.len(), 1, "tags count from the start");
    }
    let founding = Entry {
        founding: true,
        ..entry(1_000)
    };
    book.add(address.clone(), founding);
    assert_eq!(
        book.class(&address, &terms(), at(1_000)),
        DestinationClass::Known
    );
    // Beyond the end of time nothing becomes known.
    let never = entry(u64::MAX);
    assert!(!never.is_known(cool_off, at(u64::MAX)));
    book.block(&[address.clone()].into());
    assert_eq!(
        book.class(&address, &terms(), at(1_000)),
        DestinationClass::Blocked
    );
    book.unblock(&[address.clone()].into());
    book.remove(&address);
    let sight = book.look_at(&address, wei(1), &terms(), at(1_000));
    assert_eq!((sight.class, sight.tags.len()), (DestinationClass::New, 0));
    assert_eq!(book.named("added at 1000"), None);
}

#[test]
fn a_removed_entry_is_imitated_no_more_unless_it_was_paid_or_is_ours() {
    let (real, fake) = (ends(1, 2, 3), ends(1, 2, 4));
    let mut book = known();
    book.add(real.clone(), entry(0));
    book.remove(&real);
    assert_eq!(book.resembled(&fake, &terms(), at(0)), None);
    book.add(real.clone(), entry(0));
    book.paid(&real, wei(1), 9, at(0));
    book.remove(&real);
    assert_eq!(book.resembled(&fake, &terms(), at(0)), Some(real.clone()));
    let mut ours = known();
    ours.add_own(real.clone(), "hot".parse().unwrap());
    ours.add(real.clone(), entry(0));
    ours.remove(&real);
    assert_eq!(ours.resembled(&fake, &terms(), at(0)), Some(real));
}

#[test]
fn another_policy_compares_other_characters_of_all_that_is_known() {
    let (trusted, ours, paid) = (ends(1, 1, 1), ends(2, 2, 2), ends(3, 3, 3));
    let mut known = known();
    known.add(trusted.clone(), entry(0));
    known.add_own(ours.clone(), "hot".parse().unwrap());
    known.paid(&paid, wei(1), 5, at(0));
    let fakes = [ends(1, 9, 9), ends(2, 9, 9), ends(3, 9, 9)];
    let found = |known: &Destinations| {
        let each = fakes
            .iter()
            .map(|fake| known.resembled(fake, &terms(), at(0)));
        each.collect::<Vec<_>>()
    };
    assert_eq!(found(&known), [None, None, None]);
    known.compare_by(LookAlike {
        prefix: 4,
        suffix: 0,
    });
    assert_eq!(found(&known), [Some(trusted), Some(ours), Some(paid)]);
    known.compare_by(LookAlike {
        prefix: 0,
        suffix: 4,
    });
    assert_eq!(found(&known), [None, None, None]);
}

#[derive(Debug, Clone)]
enum Step {
    Add(u8),
    Remove(u8),
    Own(u8),
    Pay(u8, u64, u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..16_u8).prop_map(Step::Add),
        (0..16_u8).prop_map(Step::Remove),
        (0..16_u8).prop_map(Step::Own),
        (0..16_u8, 1..200_u64, 0..40_u64).prop_map(|(to, units, wait)| Step::Pay(to, units, wait)),
    ]
}

/// Sixteen accounts, four for each pair of ends.
fn place(number: u8) -> Address {
    ends(number % 2, (number / 2) % 2, u32::from(number))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_is_that_of_looking_through_everything(
        steps in prop::collection::vec(any_step(), 0..60), asked in 0..16_u8, amount in 1..2_000_u64
    ) {
        let terms = DestinationTerms {
            cool_off_ms: 5 * SECOND_MS,
            probe: Probe { window_ms: 60 * SECOND_MS, times: 10 },
            ..terms()
        };
        let mut known = known();
        let (mut now, mut seq) = (0, 10);
        let (mut book, mut own) = (BTreeMap::new(), BTreeSet::new());
        let mut payments: Vec<(u8, u64, u64, u64)> = Vec::new();
        for step in &steps {
            seq += 1;
            match *step {
                Step::Add(n) => { known.add(place(n), entry(now)); book.insert(n, now); }
                Step::Remove(n) => { known.remove(&place(n)); book.remove(&n); }
                Step::Own(n) => { known.add_own(place(n), "hot".parse().unwrap()); own.insert(n); }
                Step::Pay(n, units, wait) => {
                    now += wait * SECOND_MS;
                    known.paid(&place(n), wei(units), seq, at(now));
                    payments.push((n, units, seq, now));
                }
            }
        }
        let sight = known.look_at(&place(asked), wei(amount), &terms, at(now));
        let is_known = |n: u8| book.get(&n).is_some_and(|added| added + terms.cool_off_ms <= now);
        let class = if own.contains(&asked) { DestinationClass::Own }
            else if is_known(asked) { DestinationClass::Known } else { DestinationClass::New };
        prop_assert_eq!(sight.class, class);
        let to = |n: u8| payments.iter().filter(move |p| p.0 == n);
        let first = |n: u8| to(n).map(|p| p.2).min();
        prop_assert_eq!(sight.flags.contains(&Flag::FirstSeen), first(asked).is_none());
        let probed = to(asked).any(|p| now - p.3 <= 60 * SECOND_MS && amount >= p.1 * 10);
        prop_assert_eq!(sight.flags.contains(&Flag::ProbeThenDrain), probed);
        let rank = |n: u8| if book.contains_key(&n) || own.contains(&n) { Some(0) } else { first(n) };
        let mine = match class {
            DestinationClass::New => first(asked).unwrap_or(u64::MAX),
            _ => 0,
        };
        let lower = (0..16).filter(|n| *n != asked && n % 4 == asked % 4)
            .filter_map(|n| Some((rank(n)?, n))).filter(|(rank, _)| *rank < mine);
        let lowest = lower.clone().map(|(rank, _)| rank).min();
        prop_assert_eq!(sight.flags.contains(&Flag::LookAlike), lowest.is_some());
        let candidates: Vec<_> = lower.filter(|(rank, _)| Some(*rank) == lowest).map(|(_, n)| place(n)).collect();
        prop_assert_eq!(sight.resembles.is_some(), lowest.is_some());
        if let Some(resembled) = sight.resembles {
            prop_assert!(candidates.contains(&resembled));
        }
    }
}
