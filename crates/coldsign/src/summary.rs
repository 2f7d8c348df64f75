//! A bundle for a person to read: whom it pays, how much, and codes to compare by voice. All of it is computed from
//! the files; names are of characters that no terminal interprets.

use std::collections::BTreeMap;
use std::fmt::Write;

use custodyd_airgap::{Manifest, RecomputedEffects, StatedEffects};
use custodyd_chain::{Address, Amount, Asset, Digest};

use crate::limits::Refusal;

/// What is known of who made the bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Signed by the pinned journal key.
    Pinned,
    /// Signed by another key, or by nobody.
    Foreign,
    /// No key was pinned to compare with.
    Unchecked,
}

/// Sums of one asset.
struct Totals {
    paid: Amount,
    change: Amount,
    fees: Amount,
}

/// The whole summary.
pub(crate) fn text(
    manifest: &Manifest,
    transactions: &[RecomputedEffects],
    standing: Standing,
) -> Result<String, Refusal> {
    let mut text = String::new();
    let mut line = |indent: usize, name: &str, value: &str| {
        writeln!(text, "{:indent$}{name:<11} {value}", "").expect("memory takes every write");
    };
    line(0, "Vault", manifest.vault.as_str());
    line(0, "Export", manifest.export.as_str());
    line(0, "Made", &utc(manifest.created_at));
    line(0, "Code", &code(&manifest.sha256()));
    line(
        0,
        "Signed",
        match standing {
            Standing::Pinned => "yes, by the pinned journal key",
            Standing::Foreign => "NOT by the pinned journal key: do not trust what follows",
            Standing::Unchecked => "not checked: no --config with a pinned journal key was given",
        },
    );
    let mut totals: BTreeMap<Asset, Totals> = BTreeMap::new();
    for (number, (one, entry)) in transactions.iter().zip(&manifest.transactions).enumerate() {
        line(0, "", "");
        let place = format!(
            "{} of {}: {}",
            number.saturating_add(1),
            transactions.len(),
            one.transaction
        );
        line(0, "Transaction", &place);
        line(
            2,
            "From",
            &format!("wallet {} on {}", one.wallet, one.network),
        );
        if let StatedEffects::Account(effects) = &one.effects {
            line(
                2,
                "",
                &format!("{} nonce {}", grouped(&effects.account), effects.nonce),
            );
        }
        for payment in one.effects.payments() {
            line(2, "Pays", &payment.amount.to_string());
            line(2, "  to", &grouped(&payment.to));
        }
        for change in one.effects.change() {
            line(2, "Change", &change.amount.to_string());
            line(2, "  to", &grouped(&change.to));
        }
        line(2, "Fee", &fee(&one.effects));
        line(
            2,
            "File",
            &format!("{} {}", entry.file, code(&entry.sha256)),
        );
        add(&mut totals, one)?;
    }
    line(0, "", "");
    for sums in totals.values() {
        let Totals { paid, change, fees } = sums;
        line(
            0,
            "Total",
            &format!("pays {paid}, fees {fees}, change {change}"),
        );
    }
    Ok(text)
}

fn add(totals: &mut BTreeMap<Asset, Totals>, one: &RecomputedEffects) -> Result<(), Refusal> {
    let asset = one.network.asset();
    let zero = Amount::zero(asset);
    let sums = totals.entry(asset).or_insert(Totals {
        paid: zero,
        change: zero,
        fees: zero,
    });
    let paid = Amount::sum(
        asset,
        one.effects.payments().iter().map(|payment| &payment.amount),
    )?;
    let change = Amount::sum(
        asset,
        one.effects.change().iter().map(|change| &change.amount),
    )?;
    sums.paid = sums.paid.checked_add(&paid)?;
    sums.change = sums.change.checked_add(&change)?;
    sums.fees = sums.fees.checked_add(&one.effects.fee())?;
    Ok(())
}

fn fee(effects: &StatedEffects) -> String {
    match effects {
        StatedEffects::Coins(effects) => effects.fee.to_string(),
        StatedEffects::Account(effects) => format!("at most {}", effects.fee),
    }
}

/// The first 16 digits of a checksum, in groups of four: short enough to be read out, long enough not to be hit.
pub(crate) fn code(checksum: &Digest) -> String {
    groups(&checksum.to_string().chars().take(16).collect::<String>())
}

/// An address in groups of four.
fn grouped(address: &Address) -> String {
    match address.as_str().strip_prefix("0x") {
        Some(digits) => format!("0x {}", groups(digits)),
        None => groups(address.as_str()),
    }
}

fn groups(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let groups: Vec<String> = characters
        .chunks(4)
        .map(|group| group.iter().collect())
        .collect();
    groups.join(" ")
}

/// Milliseconds since 1970 as a date and a time (the proleptic Gregorian calendar, leap seconds left out).
fn utc(milliseconds: u64) -> String {
    let seconds = milliseconds / 1_000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Counted from 0000-03-01, so that the leap day is the last day of its year: 400 years have 146,097 days.
    let shifted = days.saturating_add(719_468);
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute) = (rest / 3_600, rest % 3_600 / 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_as_a_date() {
        for (milliseconds, shown) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399_999, "2000-02-28 23:59 UTC"),
            (951_782_400_000, "2000-02-29 00:00 UTC"),
            (1_709_251_199_000, "2024-02-29 23:59 UTC"),
            (1_790_000_000_000, "2026-09-21 14:13 UTC"),
            (4_102_444_800_000, "2100-01-01 00:00 UTC"),
        ] {
            assert_eq!(utc(milliseconds), shown);
        }
        assert!(!utc(9_007_199_254_740_991).is_empty());
    }

    #[test]
    fn addresses_and_codes_are_in_groups_of_four() {
        let account: Address = "eip155:1:0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"
            .parse()
            .unwrap();
        assert_eq!(
            grouped(&account),
            "0x 7E5F 4552 091A 6912 5d5D fCb7 b8C2 6590 2939 5Bdf"
        );
        assert_eq!(code(&Digest::from_bytes([0xab; 32])), "abab abab abab abab");
    }
}
