//! How amounts, addresses and times are written on every page. An address is never shortened and an amount never rounded:
//! what is on the screen is what is signed.

use custodyd_chain::{Address, Amount, Network};
use custodyd_policy::{Fiat, Timestamp};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Digits and their unit. Groups are apart by style alone: copied, or read by a script, it is plain `12345.678 LTC`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// Digits before the point in groups of three; the first may be shorter.
    pub whole: Vec<String>,
    /// Digits after the point; empty if there are none.
    pub fraction: String,
    /// `LTC`, `USD`, …
    pub unit: String,
}

impl Figure {
    /// A decimal as it stands, and its unit.
    pub fn of(decimal: &str, unit: &str) -> Self {
        let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
        let digits: Vec<char> = whole.chars().collect();
        let first = digits.len() % 3;
        let (head, rest) = digits.split_at(first);
        let head = (!head.is_empty()).then(|| head.iter().collect());
        let rest = rest.chunks(3).map(|group| group.iter().collect());
        Self {
            whole: head.into_iter().chain(rest).collect(),
            fraction: fraction.to_owned(),
            unit: unit.to_owned(),
        }
    }
}

impl Figure {
    /// The same as plain text: `12345.678 LTC`.
    pub fn text(&self) -> String {
        let point = if self.fraction.is_empty() { "" } else { "." };
        format!(
            "{}{point}{} {}",
            self.whole.concat(),
            self.fraction,
            self.unit
        )
    }
}

impl From<&Amount> for Figure {
    fn from(amount: &Amount) -> Self {
        Self::of(&amount.to_decimal(), &amount.asset().to_string())
    }
}

impl From<&Fiat> for Figure {
    fn from(fiat: &Fiat) -> Self {
        let text = fiat.to_string();
        let (decimal, unit) = text.split_once(' ').unwrap_or((&text, ""));
        Self::of(decimal, unit)
    }
}

/// An address in groups of four, apart by style alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grouped(pub Vec<String>);

/// What tells an id from others: its last eight digits. The first of them are the time, and alike within a minute.
pub fn id_end(id: &str) -> String {
    let from = id.len().saturating_sub(8);
    id.get(from..).unwrap_or(id).to_owned()
}

/// Any text in groups of four characters.
pub fn in_fours(text: &str) -> Grouped {
    let letters: Vec<char> = text.chars().collect();
    Grouped(
        letters
            .chunks(4)
            .map(|group| group.iter().collect())
            .collect(),
    )
}

/// Characters that stand together, and whether they differ from those of the other address at the same places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The characters.
    pub text: String,
    /// Whether each of them differs.
    pub differs: bool,
}

/// Two addresses that could be taken for each other, letter by letter: groups of four of each, cut into runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookAlike {
    /// The one that would be paid.
    pub this: Vec<Vec<Run>>,
    /// The one that it resembles.
    pub other: Vec<Vec<Run>>,
    /// How many characters differ, those that only one has included.
    pub differing: usize,
}

impl LookAlike {
    /// Compares character by character from the start. Case counts only where it is part of the address: an EVM
    /// address's is its checksum.
    pub fn of(this: &Address, other: &Address) -> Self {
        let folded = matches!(this.network(), Network::Evm(_));
        let letters = |address: &Address| address.as_str().chars().collect::<Vec<_>>();
        let (ours, theirs) = (letters(this), letters(other));
        let same = |place: usize| match (ours.get(place), theirs.get(place)) {
            (Some(a), Some(b)) if folded => a.eq_ignore_ascii_case(b),
            (Some(a), Some(b)) => a == b,
            _ => false,
        };
        let longest = ours.len().max(theirs.len());
        Self {
            this: marked(&ours, same),
            other: marked(&theirs, same),
            differing: (0..longest).filter(|place| !same(*place)).count(),
        }
    }
}

fn marked(letters: &[char], same: impl Fn(usize) -> bool) -> Vec<Vec<Run>> {
    let placed: Vec<(usize, char)> = letters.iter().copied().enumerate().collect();
    placed
        .chunks(4)
        .map(|group| {
            let alike = group.chunk_by(|(a, _), (b, _)| same(*a) == same(*b));
            alike
                .map(|run| Run {
                    text: run.iter().map(|(_, letter)| letter).collect(),
                    differs: run.first().is_some_and(|(place, _)| !same(*place)),
                })
                .collect()
        })
        .collect()
}

/// An instant, for people and for machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// RFC 3339, for the `datetime` attribute.
    pub machine: String,
    /// `2026-03-04 10:00:00 UTC`.
    pub text: String,
    /// `5 min ago`, `in 2 h 10 min`.
    pub apart: String,
}

impl Moment {
    /// An instant as it is seen at `now`.
    pub fn of(at: Timestamp, now: Timestamp) -> Self {
        let seconds = Timestamp::from_ms(at.as_ms() / SECOND * SECOND);
        let machine = seconds.to_string();
        let text = machine.replace('T', " ").replace('Z', " UTC");
        let apart = match at.as_ms().checked_sub(now.as_ms()) {
            Some(0) | None => match now.saturating_ms_since(at) {
                0..SECOND => "just now".to_owned(),
                ms => format!("{} ago", lasting(ms)),
            },
            Some(ms) => format!("in {}", lasting(ms)),
        };
        Self {
            machine,
            text,
            apart,
        }
    }
}

/// A length of time in its two largest units, rounded down: `2 d 4 h`, `3 min 20 s`.
pub fn lasting(ms: u64) -> String {
    let part = |size: u64, name: &str, below: Option<u64>| {
        let count = below.map_or(ms, |below| ms % below) / size;
        (count > 0).then(|| format!("{count} {name}"))
    };
    let parts = [
        part(DAY, "d", None),
        part(HOUR, "h", Some(DAY)),
        part(MINUTE, "min", Some(HOUR)),
        part(SECOND, "s", Some(MINUTE)),
    ];
    let from = parts.iter().position(Option::is_some).unwrap_or(3);
    let told: Vec<String> = parts.into_iter().skip(from).take(2).flatten().collect();
    if told.is_empty() {
        "less than 1 s".to_owned()
    } else {
        told.join(" ")
    }
}

/// A state's or kind's name for people: `awaiting_approval` is `awaiting approval`.
pub fn spoken(name: &str) -> String {
    name.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ids_of_one_minute_end_differently() {
        assert_eq!(id_end("wd_01a203b7c1bb720d801c3d7dad98059b"), "ad98059b");
        assert_eq!(id_end("wd_1"), "wd_1");
    }

    #[test]
    fn digits_are_grouped_and_none_is_lost() {
        let figure = Figure::of("1234567.00000001", "BTC");
        assert_eq!(figure.whole, ["1", "234", "567"]);
        assert_eq!(figure.fraction, "00000001");
        assert_eq!(Figure::of("123", "LTC").whole, ["123"]);
        let amount: Amount = "0.5 LTC".parse().unwrap();
        assert_eq!(Figure::from(&amount), Figure::of("0.5", "LTC"));
        let fiat: Fiat = "1000.05 USD".parse().unwrap();
        assert_eq!(Figure::from(&fiat).whole, ["1", "000"]);
    }

    #[test]
    fn groups_of_four_put_together_are_the_address() {
        let address = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
        let Grouped(groups) = in_fours(address);
        assert_eq!(groups.concat(), address);
        assert_eq!(groups.first().unwrap(), "0x70");
        assert_eq!(groups.last().unwrap(), "C8");
    }

    #[test]
    fn what_differs_between_two_addresses_is_marked_and_a_checksums_case_is_not() {
        let at = |text: &str| Address::parse("eip155:1".parse().unwrap(), text).unwrap();
        let real = at("0x70997970c51812dc3a010c7d01b50e0d17dc79c8");
        let false_one = at("0x7099000000000000000000000000000000dc79c8");
        let shown = LookAlike::of(&false_one, &real);
        let text = |runs: &[Vec<Run>]| -> String {
            runs.iter().flatten().map(|run| run.text.as_str()).collect()
        };
        assert_eq!(text(&shown.this), false_one.as_str());
        assert_eq!(text(&shown.other), real.as_str());
        let marked: String = shown
            .other
            .iter()
            .flatten()
            .filter(|run| run.differs)
            .map(|run| run.text.to_ascii_lowercase())
            .collect();
        // What stands between both ends, but for the zeros that were there before.
        assert_eq!(marked, "797c51812dc3a1c7d1b5ed17");
        assert_eq!(shown.differing, marked.len());
    }

    #[test]
    fn times_are_told_in_utc_and_from_now() {
        let at = Timestamp::from_ms(1_772_618_400_999);
        let moment = Moment::of(at, Timestamp::from_ms(at.as_ms() - 2 * HOUR - MINUTE));
        assert_eq!(moment.machine, "2026-03-04T10:00:00Z");
        assert_eq!(moment.text, "2026-03-04 10:00:00 UTC");
        assert_eq!(moment.apart, "in 2 h 1 min");
        assert_eq!(Moment::of(at, at).apart, "just now");
        let later = Timestamp::from_ms(at.as_ms() + 3 * DAY);
        assert_eq!(Moment::of(at, later).apart, "3 d ago");
        assert_eq!(lasting(DAY + MINUTE), "1 d");
        assert_eq!(lasting(12), "less than 1 s");
    }
}
