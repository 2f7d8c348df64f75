//! Policies, withdrawals and histories from a fuzzer's bytes: wider than the random ones of crates/policy/tests/naive, in
//! numbers, hours, zones and nesting. Instants are whole minutes and windows at most eight hours, so that a window's
//! granule (1/512 of it) is under a minute and the sliding windows are exact.
#![allow(dead_code)]

use custodyd_policy::{
    Call, DestinationClass, Facts, Flag, LimitBook, MINUTE_MS, Policy, Tier, Timestamp,
    WithdrawalId,
};
use libfuzzer_sys::arbitrary::{Result, Unstructured};

const PEOPLE: [&str; 6] = ["alice", "bob", "carol", "dave", "erin", "frank"];
const ADDRESSES: [(&str, &str); 5] = [
    (
        "litecoin-regtest:rltc1qqyqszqgpqyqszqgpqyqszqgpqyqszqgpjt8zj4",
        "LTC",
    ),
    (
        "litecoin-regtest:rltc1qqgpqyqszqgpqyqszqgpqyqszqgpqyqszr0p8er",
        "LTC",
    ),
    (
        "litecoin-regtest:rltc1qqvpsxqcrqvpsxqcrqvpsxqcrqvpsxqcrzlqxnz",
        "LTC",
    ),
    ("bitcoin:bc1qqyqszqgpqyqszqgpqyqszqgpqyqszqgpyfl4f3", "BTC"),
    (
        "eip155:31337:0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "ETH",
    ),
];
const ASSETS: [&str; 3] = ["LTC", "BTC", "ETH"];
const TIERS: [&str; 3] = ["hot", "warm", "cold"];
const GROUPS: [&str; 2] = ["security", "treasury"];
const WALLETS: [&str; 3] = ["hot", "hot-1", "vault-1"];
const CLIENTS: [&str; 2] = ["exchange", "shop"];
const INITIATORS: [&str; 3] = ["client/exchange", "client/shop", "operator/alice"];
const TAGS: [&str; 3] = ["exchange", "vip", "staff"];
const ZONES: [&str; 6] = [
    "Europe/Zurich",
    "Pacific/Auckland",
    "America/New_York",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "Australia/Lord_Howe",
];
const DAYS: [&str; 8] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday"];
/// Midnights (UTC) before clocks change in Auckland, Zurich and New York, and a Wednesday.
const MIDNIGHTS_MS: [u64; 5] = [
    1_772_582_400_000, // 2026-03-04
    1_772_928_000_000, // 2026-03-08
    1_774_742_400_000, // 2026-03-29
    1_775_260_800_000, // 2026-04-04
    1_792_886_400_000, // 2026-10-25
];
const CALENDAR: &str = "[\"2026-03-04\", \"2026-03-30\", \"2026-04-05\"]";

/// A policy, what was admitted and is still counted, the book of it, and who asks now.
pub(crate) struct World {
    pub(crate) policy: Policy,
    pub(crate) book: LimitBook,
    pub(crate) admitted: Vec<Facts>,
    pub(crate) asked: Vec<Facts>,
}

impl World {
    /// The world that the bytes describe; nothing, where its people cannot do what its first lines ask.
    pub(crate) fn from_bytes(u: &mut Unstructured<'_>) -> Result<Option<Self>> {
        let Some(policy) = any_policy(u)? else {
            return Ok(None);
        };
        let midnight = *u.choose(&MIDNIGHTS_MS)?;
        let mut history = Vec::new();
        for _ in 0..u.int_in_range(0..=10)? {
            history.push((any_facts(u, midnight)?, u.ratio(1u8, 5u8)?));
        }
        let mut asked = Vec::new();
        for _ in 0..u.int_in_range(1..=3)? {
            asked.push(any_facts(u, midnight)?);
        }
        history.sort_by_key(|(facts, _)| facts.at);
        let mut book = LimitBook::default();
        for (serial, (facts, _)) in (1..).zip(&mut history) {
            facts.withdrawal = WithdrawalId::from_bytes(u128::to_be_bytes(serial));
            book.reserve(&policy, &*facts);
        }
        // The last one stays: the book remembers its time whether or not it is released.
        if let Some((_, released)) = history.last_mut() {
            *released = false;
        }
        for (facts, _) in history.iter().filter(|(_, released)| *released) {
            book.release(&facts.withdrawal);
        }
        let admitted: Vec<Facts> = history
            .into_iter()
            .filter(|(_, released)| !released)
            .map(|(facts, _)| facts)
            .collect();
        // One that was admitted is judged again as well.
        if !admitted.is_empty() {
            asked.push(u.choose(&admitted)?.clone());
        }
        Ok(Some(Self {
            policy,
            book,
            admitted,
            asked,
        }))
    }
}

/// First lines, then those blocks that the parser takes: conditions may exclude each other, which it refuses.
pub(crate) fn any_policy(u: &mut Unstructured<'_>) -> Result<Option<Policy>> {
    let head = head(u)?;
    if Policy::parse(&head).is_err() {
        return Ok(None);
    }
    let mut text = head.clone();
    for n in 0..u.int_in_range(0..=7)? {
        let rule = rule(u, n)?;
        if Policy::parse(&format!("{head}{rule}")).is_ok() {
            text.push_str(&rule);
        }
    }
    for n in 0..u.int_in_range(0..=5)? {
        let limit = limit(u, n)?;
        if Policy::parse(&format!("{head}{limit}")).is_ok() {
            text.push_str(&limit);
        }
    }
    Ok(Policy::parse(&text).ok())
}

/// Everything before rules and limits, and one rule that allows everything, so that the others decide.
fn head(u: &mut Unstructured<'_>) -> Result<String> {
    let mut people = |most: usize| -> Result<String> {
        let all = some_of(u, &PEOPLE, most)?;
        Ok(quoted(&all))
    };
    let (security, treasury, acme) = (people(3)?, people(4)?, people(2)?);
    let organisations = format!("[organisations]\nacme = {acme}\n");
    let organisations = if u.arbitrary()? {
        organisations
    } else {
        String::new()
    };
    let mut tiers = String::from("[tiers]\n");
    for tier in ["warm", "cold"] {
        let require = require(u)?;
        let hold = if tier == "warm" || u.arbitrary()? {
            ", hold = \"2h\""
        } else {
            ""
        };
        tiers += &format!("{tier} = {{ {require}{hold} }}\n");
    }
    Ok(format!(
        "version = 1\n[groups]\nsecurity = {security}\ntreasury = {treasury}\n{organisations}[calendars]\ntarget = {CALENDAR}\n\
         [fiat]\ncurrency = \"USD\"\n[governance]\nunfreeze = [{{ group = \"treasury\", quorum = 1 }}]\n{tiers}\
         [[rules]]\nid = \"allow\"\neffect = \"allow\"\n"
    ))
}

fn rule(u: &mut Unstructured<'_>, serial: u32) -> Result<String> {
    let effect = *u.choose(&["allow", "deny", "require", "require"])?;
    let mut text = format!(
        "[[rules]]\nid = \"r{serial}\"\neffect = \"{effect}\"\n{}\n",
        when(u)?
    );
    if effect != "deny" {
        text += &format!("{}\n", require(u)?);
        if u.arbitrary()? {
            text += &format!("hold = \"{}m\"\n", u.int_in_range(1..=300)?);
        }
    }
    Ok(text)
}

fn limit(u: &mut Unstructured<'_>, serial: u32) -> Result<String> {
    let per = *u.choose(&["vault", "wallet", "tier", "asset", "client", "destination"])?;
    let asset = *u.choose(&ASSETS)?;
    let max = match u.int_in_range(0..=3)? {
        0 => format!("max_amount = \"{} {asset}\"", decimal(u, 8)?),
        1 => format!("max_fiat = \"{} USD\"", decimal(u, 2)?),
        2 => format!("max_fiat = \"{} USD\"\nasset = \"{asset}\"", decimal(u, 2)?),
        _ => format!("max_count = {}", u.int_in_range(1..=4)?),
    };
    let breach = *u.choose(&["deny", "hold", "quorum", "escalate"])?;
    let window = u.int_in_range(1..=480)?;
    let mut text = format!(
        "[[limits]]\nid = \"l{serial}\"\nper = \"{per}\"\n{max}\nwindow = \"{window}m\"\non_breach = \"{breach}\"\n{}\n",
        when(u)?
    );
    if breach.len() > 4 {
        text += &format!("{}\n", require(u)?);
    }
    Ok(text)
}

fn when(u: &mut Unstructured<'_>) -> Result<String> {
    let mut conditions = Vec::new();
    // Each kind at most once, few at a time.
    let mut kinds: Vec<u8> = (0..15).collect();
    for _ in 0..u.int_in_range(0..=3)? {
        let kind = kinds.swap_remove(u.choose_index(kinds.len())?);
        conditions.push(match kind {
            0 => list(u, "tier", &TIERS)?,
            1 => list(u, "wallet", &WALLETS)?,
            2 => list(u, "asset", &ASSETS)?,
            3 => list(u, "chain", &["litecoin-regtest", "bitcoin", "eip155:31337"])?,
            4 => list(u, "client", &CLIENTS)?,
            5 => list(u, "initiator", &INITIATORS)?,
            6 => list(u, "destination", &["known", "new", "own", "blocked"])?,
            7 => list(u, "destination_tier", &TIERS)?,
            8 => list(u, "tag", &TAGS)?,
            9 => list(u, "flag", &Flag::ALL.map(Flag::as_str))?,
            10 => list(u, "call", &Call::ALL.map(Call::as_str))?,
            11 => {
                let asset = *u.choose(&ASSETS)?;
                range(u, "amount", asset, 8)?
            }
            12 => range(u, "fiat", "USD", 2)?,
            13 => {
                let asset = *u.choose(&ASSETS)?;
                range(u, "fee", asset, 8)?
            }
            _ => hours(u)?,
        });
    }
    Ok(format!("when = {{ {} }}", conditions.join(", ")))
}

fn range(u: &mut Unstructured<'_>, key: &str, unit: &str, decimals: usize) -> Result<String> {
    let mut bounds = Vec::new();
    let which = u.int_in_range(1..=3)?;
    if which != 2 {
        bounds.push(format!("above = \"{} {unit}\"", decimal(u, decimals)?));
    }
    if which != 1 {
        bounds.push(format!("at_most = \"{} {unit}\"", decimal(u, decimals)?));
    }
    Ok(format!("{key} = {{ {} }}", bounds.join(", ")))
}

fn hours(u: &mut Unstructured<'_>) -> Result<String> {
    let mut clock = || -> Result<String> {
        let minutes = u.int_in_range(0..=1439)?;
        Ok(format!("{:02}:{:02}", minutes / 60, minutes % 60))
    };
    let (from, to) = (clock()?, clock()?);
    let mut text = format!("hours = {{ from = \"{from}\", to = \"{to}\"");
    if u.arbitrary()? {
        text += &format!(", {}", list(u, "days", &DAYS)?);
        if text.contains("holiday") || u.arbitrary()? {
            text += ", holidays = \"target\"";
        }
    }
    match u.int_in_range(0..=2)? {
        0 => text += &format!(", utc_offset_minutes = {}", u.int_in_range(-720..=840)?),
        1 => text += &format!(", time_zone = \"{}\"", u.choose(&ZONES)?),
        _ => {}
    }
    Ok(text + " }")
}

/// A list of one to three requirements, the last of which may be a choice.
fn require(u: &mut Unstructured<'_>) -> Result<String> {
    let mut parts = Vec::new();
    for group in some_of(u, &GROUPS, 2)? {
        parts.push(quorum(u, group)?);
    }
    if u.arbitrary()? {
        let (one, other) = (quorum(u, "security")?, quorum(u, "treasury")?);
        let more = quorum(u, "treasury")?;
        parts.push(match u.arbitrary()? {
            true => format!("{{ any_of = [{one}, {other}] }}"),
            false => format!("{{ any_of = [{{ all_of = [{one}, {other}] }}, {more}] }}"),
        });
    }
    Ok(format!("require = [{}]", parts.join(", ")))
}

fn quorum(u: &mut Unstructured<'_>, group: &str) -> Result<String> {
    let quorum = u.int_in_range(1..=3)?;
    let organisations = match u.ratio(1u8, 4u8)? {
        true => format!(", organisations = {}", u.int_in_range(1..=2)?),
        false => String::new(),
    };
    Ok(format!(
        "{{ group = \"{group}\", quorum = {quorum}{organisations} }}"
    ))
}

/// A withdrawal on the minute, within the two days after a midnight.
fn any_facts(u: &mut Unstructured<'_>, midnight: u64) -> Result<Facts> {
    let (address, asset) = *u.choose(&ADDRESSES)?;
    // Sometimes of an asset that the address is not about.
    let asset = if u.ratio(1u8, 16u8)? {
        *u.choose(&ASSETS)?
    } else {
        asset
    };
    let currency = *u.choose(&["USD", "USD", "USD", "EUR"])?;
    let fiat = format!("{} {currency}", decimal(u, 2)?);
    let tiers = [Tier::Hot, Tier::Warm, Tier::Cold];
    let classes = [
        DestinationClass::Known,
        DestinationClass::New,
        DestinationClass::Own,
        DestinationClass::Blocked,
    ];
    let parsed = "parsed from a fixed list";
    Ok(Facts {
        withdrawal: WithdrawalId::from_bytes([0; 16]),
        vault: "main".parse().expect(parsed),
        wallet: u.choose(&WALLETS)?.parse().expect(parsed),
        tier: *u.choose(&tiers)?,
        amount: format!("{} {asset}", decimal(u, 8)?)
            .parse()
            .expect("digits"),
        fiat: u.ratio(5u8, 6u8)?.then(|| fiat.parse().expect("digits")),
        fee: format!("{} {asset}", decimal(u, 8)?)
            .parse()
            .expect("digits"),
        destination: serde_json::from_value(address.into()).expect(parsed),
        class: *u.choose(&classes)?,
        destination_tier: if u.arbitrary()? {
            Some(*u.choose(&tiers)?)
        } else {
            None
        },
        tags: some_of(u, &TAGS, 2)?
            .iter()
            .map(|tag| tag.parse().expect(parsed))
            .collect(),
        flags: some_of(u, &Flag::ALL, 2)?.into_iter().skip(1).collect(),
        resembles: None,
        call: *u.choose(&Call::ALL)?,
        initiator: u.choose(&INITIATORS)?.parse().expect(parsed),
        at: Timestamp::from_ms(midnight + u.int_in_range(0..=2_880)? * MINUTE_MS),
    })
}

/// Mostly small and round, so that sums meet bounds; sometimes with every decimal, or large.
fn decimal(u: &mut Unstructured<'_>, decimals: usize) -> Result<String> {
    let whole = u.int_in_range(0..=12u64)?;
    Ok(match u.int_in_range(0..=7)? {
        0..=3 => whole.to_string(),
        4 | 5 => format!("{whole}.5"),
        6 => {
            let digits: String = (0..decimals)
                .map(|_| u.choose(b"0123456789"))
                .collect::<Result<Vec<_>>>()?
                .into_iter()
                .map(|digit| char::from(*digit))
                .collect();
            format!("{whole}.{digits}")
        }
        _ => u.int_in_range(0..=20_000_000u64)?.to_string(),
    })
}

fn list(u: &mut Unstructured<'_>, key: &str, values: &[&str]) -> Result<String> {
    Ok(format!("{key} = {}", quoted(&some_of(u, values, 3)?)))
}

fn quoted(values: &[&str]) -> String {
    format!("[\"{}\"]", values.join("\", \""))
}

/// One to `most` different ones.
fn some_of<T: Copy>(u: &mut Unstructured<'_>, all: &[T], most: usize) -> Result<Vec<T>> {
    let mut left = all.to_vec();
    let mut some = Vec::new();
    for _ in 0..u.int_in_range(1..=most.min(all.len()))? {
        some.push(left.swap_remove(u.choose_index(left.len())?));
    }
    Ok(some)
}
