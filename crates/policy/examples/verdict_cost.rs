//! What a verdict costs: a thousand rules and a hundred limits, of which a handful match and twenty apply, after ten
//! thousand and after ten million withdrawals. Prints one JSON object; `make bench` runs it and holds it to its goals.
//!
//! Both histories have the same pace, one withdrawal in three seconds, so the longer one lasts a year and fills every
//! window: buckets and keys are as many as they get. The verdicts on both are timed in turns, so that what else the
//! machine does hits both alike. Their allocations are counted as well: they must not depend on the history either.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a measurement, not a part of the policy engine"
)]

use std::alloc::System;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use custodyd_policy::{Facts, LimitBook, Outcome, Policy, Reason, Timestamp, WithdrawalId};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

type Failure = Box<dyn std::error::Error>;

const RULES: usize = 1_000;
const LIMITS: usize = 100;
/// Limits that apply to each of the withdrawals.
const APPLYING: usize = 20;
const SHORT: u64 = 10_000;
const LONG: u64 = 10_000_000;
/// Ten million of them are 366 days.
const PACE_MS: u64 = 3_162;
/// Destinations that are paid over and over.
const DESTINATIONS: u64 = 20_000;
/// For how many withdrawals one is open before it is settled.
const OPEN: u64 = 200;
const VERDICTS: u64 = 40_000;

fn main() -> Result<(), Failure> {
    let policy = Policy::parse(&policy_text()?)?;
    let pool: Vec<Facts> = (0..DESTINATIONS).map(facts).collect::<Result<_, _>>()?;
    let region = Region::new(ALLOCATOR);
    let mut long = Measured::after(LONG, &policy, &pool);
    let change = region.change();
    let kept = change
        .bytes_allocated
        .saturating_sub(change.bytes_deallocated);
    let mut short = Measured::after(SHORT, &policy, &pool);
    for n in 0..VERDICTS {
        short.judge(&policy, &pool, n)?;
        long.judge(&policy, &pool, n)?;
    }
    let [short_p50, _] = short.percentiles_us();
    let [long_p50, long_p99] = long.percentiles_us();
    let numbers = serde_json::json!({
        "policy_p50_us": long_p50,
        "policy_p99_us": long_p99,
        "policy_growth": long_p50 / short_p50,
        "policy_allocations": long.allocations as f64 / VERDICTS as f64,
        "policy_allocation_growth": long.allocations as f64 / short.allocations as f64,
        "policy_book_mib": kept as f64 / 1_048_576.0,
    });
    println!("{numbers}");
    Ok(())
}

/// A book after a history, and what verdicts on it cost.
struct Measured {
    book: LimitBook,
    end: u64,
    times: Vec<Duration>,
    allocations: usize,
}

impl Measured {
    fn after(withdrawals: u64, policy: &Policy, pool: &[Facts]) -> Self {
        let mut book = LimitBook::default();
        for n in 0..withdrawals {
            book.reserve(policy, asked(pool, n, n));
            if let Some(paid) = n.checked_sub(OPEN) {
                book.settle(&id(paid));
            }
        }
        Self {
            book,
            end: withdrawals,
            times: Vec::new(),
            allocations: 0,
        }
    }

    /// Judges the `n`th withdrawal after the history.
    fn judge(&mut self, policy: &Policy, pool: &[Facts], n: u64) -> Result<(), Failure> {
        let asked = asked(pool, n, self.end);
        let region = Region::new(ALLOCATOR);
        let began = Instant::now();
        let verdict = black_box(policy.evaluate(black_box(&asked), &self.book));
        self.times.push(began.elapsed());
        self.allocations += region.change().allocations;
        let limits = verdict
            .reasons
            .iter()
            .filter(|reason| matches!(reason, Reason::LimitWithin { .. }))
            .count();
        let rules = verdict.reasons.len() - limits;
        if !matches!(verdict.outcome, Outcome::Allow { .. })
            || limits != APPLYING
            || !(5..=12).contains(&rules)
        {
            return Err(format!("not the mix that is meant to be measured: {verdict}").into());
        }
        Ok(())
    }

    /// The median and the 99th percentile.
    fn percentiles_us(&mut self) -> [f64; 2] {
        self.times.sort_unstable();
        [50, 99].map(|percent| {
            let at = self.times.len() * percent / 100;
            let found = self.times.get(at).copied().unwrap_or_default();
            found.as_secs_f64() * 1e6
        })
    }
}

fn id(n: u64) -> WithdrawalId {
    WithdrawalId::from_bytes(u128::from(n).to_be_bytes())
}

/// A withdrawal of the pool, each in no order that a cache could foresee, at its time.
fn asked(pool: &[Facts], n: u64, time: u64) -> Facts {
    let place = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % DESTINATIONS;
    let mut facts = usize::try_from(place)
        .ok()
        .and_then(|place| pool.get(place))
        .expect("the pool holds every destination")
        .clone();
    facts.withdrawal = id(LONG + n);
    if n == time {
        facts.withdrawal = id(n);
    }
    facts.at = Timestamp::from_ms(1_700_000_000_000 + time * PACE_MS);
    facts
}

/// A withdrawal to the `n`th destination.
fn facts(n: u64) -> Result<Facts, serde_json::Error> {
    let class = if n.is_multiple_of(4) { "new" } else { "known" };
    serde_json::from_value(serde_json::json!({
        "withdrawal": id(n), "vault": "main", "tier": "hot", "class": class,
        "wallet": format!("hot-{}", n % 8), "initiator": format!("client/c-{}", n % 20),
        "destination": format!("eip155:1:0x{:040x}", (n + 1) * 0x9E37_79B9),
        "amount": format!("{}.{:02} ETH", n % 3, 1 + n % 99), "fee": "0.001 ETH", "at": 0,
    }))
}

/// What a large exchange might have: rules for each client and wallet, bands of amounts, other tiers and assets.
fn policy_text() -> Result<String, std::fmt::Error> {
    let mut text = String::from(
        r#"
version = 1
[groups]
treasury = ["alice", "bob", "carol"]
security = ["dave", "erin"]
[governance]
unfreeze = [{ group = "treasury", quorum = 2 }]
[tiers]
warm = { group = "treasury", quorum = 2 }
cold = { group = "treasury", quorum = 2 }
"#,
    );
    for n in 0..RULES {
        let (effect, when) = rule(n);
        write!(
            text,
            "[[rules]]\nid = \"rule-{n}\"\neffect = \"{effect}\"\n"
        )?;
        writeln!(text, "when = {{ {when} }}")?;
        if effect == "require" || (effect == "allow" && n.is_multiple_of(5)) {
            text.push_str("require = [{ group = \"treasury\", quorum = 1 }]\n");
        }
    }
    for n in 0..LIMITS {
        let (per, window, when) = limit(n);
        let most = match n % 2 {
            0 => "max_amount = \"90000000 ETH\"",
            _ => "max_count = 100000000",
        };
        write!(text, "[[limits]]\nid = \"limit-{n}\"\nper = \"{per}\"\n")?;
        write!(
            text,
            "window = \"{window}\"\n{most}\non_breach = \"deny\"\n{when}\n"
        )?;
    }
    Ok(text)
}

fn rule(n: usize) -> (&'static str, String) {
    match n {
        // What holds for everybody.
        0 => ("allow", "tier = [\"hot\"]".to_owned()),
        1 => (
            "allow",
            "asset = [\"ETH\"], amount = { at_most = \"10 ETH\" }".to_owned(),
        ),
        2 => (
            "require",
            "destination = [\"new\"], tier = [\"hot\"]".to_owned(),
        ),
        3 => (
            "require",
            "chain = [\"eip155:1\"], call = [\"native\"]".to_owned(),
        ),
        4 => (
            "allow",
            "hours = { from = \"00:00\", to = \"24:00\" }".to_owned(),
        ),
        // Bands of amounts, a fiftieth of an ether each.
        5..=154 => {
            let (above, at_most) = ((n - 5) * 2, (n - 4) * 2);
            let ether = |cents: usize| format!("{}.{:02} ETH", cents / 100, cents % 100);
            let (above, at_most) = (ether(above), ether(at_most));
            let amount = format!("amount = {{ above = \"{above}\", at_most = \"{at_most}\" }}");
            ("require", format!("tier = [\"hot\"], {amount}"))
        }
        // Other tiers and assets.
        155..=254 => (
            "allow",
            format!("tier = [\"warm\"], amount = {{ at_most = \"{n} ETH\" }}"),
        ),
        255..=354 => ("allow", format!("amount = {{ at_most = \"{n} BTC\" }}")),
        355..=454 => (
            "deny",
            format!("tier = [\"cold\"], client = [\"c-{}\"]", n % 20),
        ),
        // Clients and wallets, most of which do not ask today.
        455..=854 => {
            let (client, wallet) = (n - 455, n % 8);
            let client = format!("client = [\"c-{client}\"]");
            (
                "allow",
                format!(
                    "{client}, wallet = [\"hot-{wallet}\", \"hot-{}\"]",
                    (n + 3) % 8
                ),
            )
        }
        _ => (
            "deny",
            format!("wallet = [\"hot-{}\"], asset = [\"ETH\"]", n),
        ),
    }
}

fn limit(n: usize) -> (&'static str, &'static str, String) {
    const PER: [&str; 6] = ["vault", "wallet", "tier", "asset", "client", "destination"];
    const WINDOWS: [&str; 4] = ["1h", "24h", "7d", "30d"];
    let per = PER.get(n % PER.len()).copied().unwrap_or("vault");
    let window = WINDOWS
        .get(n / PER.len() % WINDOWS.len())
        .copied()
        .unwrap_or("1h");
    let when = match n {
        0..APPLYING => String::new(),
        20..50 => format!("when = {{ wallet = [\"warm-{n}\"] }}"),
        50..80 => format!("when = {{ client = [\"partner-{n}\"] }}"),
        _ => "when = { tier = [\"cold\"] }".to_owned(),
    };
    (per, window, when)
}
