//! A case's text, from facts: what a difference or a counterexample is written as, so that `explain` can be asked of it.

use std::fmt::Write as _;

use crate::facts::Facts;

/// The text of a case without `title` and `expect`: these facts, and what was admitted before. Withdrawals that are alike
/// and follow each other are written once. [`super::explain`] reads it; what it is called there is not part of a case.
pub fn written(facts: &Facts, earlier: &[Facts]) -> String {
    let mut text = String::from("[withdrawal]\n");
    quoted(&mut text, "vault", &facts.vault);
    described(&mut text, facts);
    if let Some(known) = &facts.resembles {
        quoted(&mut text, "resembles", known);
    }
    let mut rest = earlier;
    while let Some(first) = rest.first() {
        let alike = rest.iter().take_while(|other| same(first, other)).count();
        text.push_str("\n[[earlier]]\n");
        described(&mut text, first);
        if alike > 1 {
            line(&mut text, "times", &alike);
        }
        rest = rest.get(alike..).unwrap_or_default();
    }
    text
}

/// Whether they differ by their id at most.
fn same(one: &Facts, other: &Facts) -> bool {
    let other = Facts {
        withdrawal: one.withdrawal,
        ..other.clone()
    };
    *one == other
}

fn described(text: &mut String, facts: &Facts) {
    quoted(text, "at", &facts.at);
    quoted(text, "wallet", &facts.wallet);
    quoted(text, "tier", &facts.tier);
    quoted(text, "amount", &facts.amount);
    if let Some(fiat) = &facts.fiat {
        quoted(text, "fiat", fiat);
    }
    quoted(text, "fee", &facts.fee);
    quoted(text, "destination", &facts.destination);
    quoted(text, "class", &facts.class);
    if let Some(tier) = &facts.destination_tier {
        quoted(text, "destination_tier", tier);
    }
    let list = |items: Vec<String>| format!("[{}]", items.join(", "));
    let tags = facts.tags.iter().map(|tag| format!("\"{tag}\""));
    line(text, "tags", &list(tags.collect()));
    let flags = facts.flags.iter().map(|flag| format!("\"{flag}\""));
    line(text, "flags", &list(flags.collect()));
    quoted(text, "call", &facts.call);
    quoted(text, "initiator", &facts.initiator);
}

/// No text of ours holds a quote or a backslash: they are ids, amounts, addresses and words of the language.
fn quoted(text: &mut String, key: &str, value: &dyn std::fmt::Display) {
    line(text, key, &format_args!("\"{value}\""));
}

fn line(text: &mut String, key: &str, value: &dyn std::fmt::Display) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{key} = {value}");
}
