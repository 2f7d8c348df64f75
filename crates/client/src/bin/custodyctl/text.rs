//! Answers for people to read. No text of another's can move the cursor or turn the reading direction.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use custodyd_client::Withdrawal;
use custodyd_policy::{PolicyHash, Timestamp};
use custodyd_vault::{Change, StatedEffects};
use serde_json::Value;

/// A text with control and direction characters written out: a terminal obeys nothing in it.
pub(crate) fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() || is_directional(letter) {
            safe.extend(letter.escape_unicode());
        } else {
            safe.push(letter);
        }
    }
    safe
}

/// The same on one line.
pub(crate) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    plain(&words.join(" "))
}

/// Characters that are invisible or reorder others (Unicode TR 36 §2.2, TR 9 §2).
fn is_directional(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{61c}')
}

/// An address in groups of four, to be compared with a paper or a screen by eye.
pub(crate) fn in_fours(address: &str) -> String {
    let (prefix, rest) = match address.strip_prefix("0x") {
        Some(rest) => ("0x ", rest),
        None => ("", address),
    };
    let letters: Vec<char> = rest.chars().collect();
    let groups: Vec<String> = letters
        .chunks(4)
        .map(|four| four.iter().collect())
        .collect();
    format!("{prefix}{}", groups.join(" "))
}

/// The HSM's tokens as a table.
pub(crate) fn tokens(answer: &Value) -> String {
    let row = |cells: [&str; 7]| {
        let [
            name,
            health,
            serial,
            signatures,
            failures,
            missing,
            restarts,
        ] = cells;
        format!(
            "{name:<16} {health:<10} {serial:<18} {signatures:>10} {failures:>8} {missing:>7} {restarts:>8}"
        )
    };
    let mut lines = vec![row([
        "token",
        "health",
        "serial",
        "signatures",
        "failures",
        "missing",
        "restarts",
    ])];
    let tokens = answer.get("tokens").and_then(Value::as_array);
    for token in tokens.into_iter().flatten() {
        let text = |place: &str| leaf_text(token.pointer(place).unwrap_or(&Value::Null));
        lines.push(row([
            &text("/name"),
            &text("/health"),
            &text("/device/serial"),
            &text("/signatures"),
            &text("/failures"),
            &text("/missing_keys"),
            &text("/restarts"),
        ]));
        if let Some(reason) = token.get("reason").and_then(Value::as_str) {
            lines.push(format!("  {}", one_line(reason)));
        }
    }
    lines.join("\n")
}

/// Any JSON as an indented outline.
pub(crate) fn outline(value: &Value) -> String {
    let mut text = String::new();
    push_value(&mut text, value, 0);
    text.trim_end().to_owned()
}

fn push_value(text: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                push_member(text, &format!("{indent}{}:", plain(name)), member, depth);
            }
        }
        Value::Array(items) => {
            for item in items {
                push_member(text, &format!("{indent}-"), item, depth);
            }
        }
        leaf => push_line(text, &format!("{indent}{}", leaf_text(leaf))),
    }
}

fn push_member(text: &mut String, label: &str, value: &Value, depth: usize) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            push_line(text, label);
            push_value(text, value, depth.saturating_add(1));
        }
        Value::Array(items) if !items.is_empty() => {
            push_line(text, label);
            push_value(text, value, depth.saturating_add(1));
        }
        leaf => push_line(text, &format!("{label} {}", leaf_text(leaf))),
    }
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}

fn leaf_text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => plain(text),
        Value::Object(_) | Value::Array(_) => "none".to_owned(),
        other => other.to_string(),
    }
}

/// One withdrawal on one line of a list.
pub(crate) fn line(withdrawal: &Withdrawal) -> String {
    format!(
        "{}  {:<23}  {:>24}  {}  {}",
        withdrawal.id,
        withdrawal.state.name(),
        withdrawal.payout.amount.to_string(),
        withdrawal.payout.destination.as_str(),
        plain(&withdrawal.reference)
    )
}

/// One step of a withdrawal that is followed.
pub(crate) fn step(withdrawal: &Withdrawal) -> String {
    format!(
        "{}  {}{}",
        withdrawal.updated_at,
        withdrawal.state,
        detail(withdrawal)
    )
}

/// Why a withdrawal ended: policy's reasons if it denied.
pub(crate) fn why(withdrawal: &Withdrawal) -> String {
    let reasons: Vec<String> = withdrawal
        .verdict
        .iter()
        .flat_map(|verdict| &verdict.reasons)
        .map(|reason| plain(&reason.text))
        .collect();
    if withdrawal.state == custodyd_client::State::Denied && !reasons.is_empty() {
        return format!(": {}", reasons.join("; "));
    }
    detail(withdrawal)
}

fn detail(withdrawal: &Withdrawal) -> String {
    let detail = withdrawal.state_detail.as_deref();
    detail.map_or_else(String::new, |text| format!(": {}", plain(text)))
}

/// All of a withdrawal.
pub(crate) fn withdrawal(withdrawal: &Withdrawal) -> String {
    let mut rows = vec![
        (
            "state",
            format!("{}{}", withdrawal.state, detail(withdrawal)),
        ),
        ("pay", withdrawal.payout.amount.to_string()),
        ("to", withdrawal.payout.destination.as_str().to_owned()),
        ("network", withdrawal.payout.network.to_string()),
    ];
    rows.extend(context(withdrawal));
    if let Some(transaction) = &withdrawal.transaction {
        rows.push(("transaction", plain(transaction)));
    }
    rows.push(("changed", withdrawal.updated_at.to_string()));
    table(&withdrawal.id.to_string(), &rows)
}

/// What an approval would let happen: the stated effects, not the daemon's words about them.
pub(crate) fn effects(
    withdrawal: &Withdrawal,
    effects: &StatedEffects,
    policy: &PolicyHash,
    valid_ms: u64,
) -> String {
    let mut rows = vec![
        ("pay", effects.amount.to_string()),
        ("to", in_fours(effects.destination.as_str())),
        ("network", effects.network.to_string()),
    ];
    rows.extend(context(withdrawal));
    rows.push(("policy", policy.to_string()));
    rows.push(("good until", good_until(valid_ms)));
    table(&format!("approve {}", withdrawal.id), &rows)
}

/// Changes in words, a row each.
pub(crate) fn change_rows(changes: &[Change]) -> Vec<(&'static str, String)> {
    let row = |change: &Change| ("change", plain(&change.to_string()));
    changes.iter().map(row).collect()
}

/// Changes in words, under a title.
pub(crate) fn changes(title: &str, changes: &[Change]) -> String {
    table(title, &change_rows(changes))
}

/// Who asked, what policy said, and who decided already.
fn context(withdrawal: &Withdrawal) -> Vec<(&'static str, String)> {
    let mut rows = vec![
        (
            "from",
            format!(
                "wallet {} ({}) of vault {}",
                withdrawal.wallet, withdrawal.tier, withdrawal.vault
            ),
        ),
        (
            "asked",
            format!(
                "by client {} at {}, reference \"{}\"",
                withdrawal.client,
                withdrawal.created_at,
                plain(&withdrawal.reference)
            ),
        ),
    ];
    let verdict = withdrawal.verdict.as_ref();
    rows.extend(verdict.map(|verdict| ("verdict", plain(&verdict.summary))));
    let reasons = verdict.into_iter().flat_map(|verdict| &verdict.reasons);
    rows.extend(reasons.map(|reason| ("because", plain(&reason.text))));
    let requirements = withdrawal.requirements.iter();
    rows.extend(requirements.map(|asked| ("needs", asked.to_string())));
    let given = withdrawal.approvals.iter();
    rows.extend(given.map(|given| {
        let text = format!("{} by {} at {}", given.decision, given.operator, given.at);
        ("decided", text)
    }));
    rows
}

pub(crate) fn good_until(valid_ms: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    let until = now
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .and_then(|ms| ms.checked_add(valid_ms));
    until.map_or_else(|| "?".to_owned(), |ms| Timestamp::from_ms(ms).to_string())
}

pub(crate) fn table(title: &str, rows: &[(&str, String)]) -> String {
    let mut text = title.to_owned();
    let mut last = "";
    for (name, value) in rows {
        let shown = if *name == last { "" } else { name };
        write!(text, "\n  {shown:<11} {value}").expect("a String takes all that is written");
        last = name;
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_is_grouped_in_fours() {
        assert_eq!(in_fours("rltc1qabcde"), "rltc 1qab cde");
        assert_eq!(in_fours("0xAbCd1234Ef"), "0x AbCd 1234 Ef");
    }

    #[test]
    fn what_a_row_is_called_never_runs_into_what_it_says() {
        let rows = [
            ("kind", "a".to_owned()),
            ("kind", "b".to_owned()),
            ("twelve chars", "c".to_owned()),
        ];
        let shown = "t\n  kind        a\n              b\n  twelve chars c";
        assert_eq!(table("t", &rows), shown);
    }

    #[test]
    fn a_text_of_anothers_cannot_steer_the_terminal() {
        assert_eq!(
            plain("a\u{1b}[2Jb\u{202e}c\r"),
            "a\\u{1b}[2Jb\\u{202e}c\\u{d}"
        );
        assert_eq!(one_line("a\n  b\tc\u{7}"), "a b c\\u{7}");
        assert_eq!(plain("straße 東京"), "straße 東京");
    }

    #[test]
    fn any_document_has_an_outline() {
        let document = json!({"id": "hot", "balance": {"confirmed": "1 LTC"}, "addresses": ["a", "b"], "frozen": null, "keys": []});
        assert_eq!(
            outline(&document),
            "addresses:\n  - a\n  - b\nbalance:\n  confirmed: 1 LTC\nfrozen: -\nid: hot\nkeys: none"
        );
        assert_eq!(
            outline(&json!([{"a": 1}, {"a": 2}])),
            "-\n  a: 1\n-\n  a: 2"
        );
    }
}
