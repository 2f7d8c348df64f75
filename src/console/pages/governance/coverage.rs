//! The policy's text with its lines numbered, and beside each rule and limit how often it decided lately: what nothing ever
//! touched is either a safeguard or a mistake, and worth a look either way.

use std::collections::BTreeMap;

use custodyd_policy::{Reason, Verdict};
use custodyd_vault::Vault;

/// The newest withdrawals that are counted.
const MOST_COUNTED: usize = 1_000;

/// A line of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::console::pages) struct SourceLine {
    pub(in crate::console::pages) number: usize,
    pub(in crate::console::pages) text: String,
    /// How often the rule or limit that is named here decided; none on other lines.
    pub(in crate::console::pages) hits: Option<u64>,
}

/// How often each rule and limit decided, and over how many withdrawals.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::console::pages) struct Rated {
    rules: BTreeMap<String, u64>,
    limits: BTreeMap<String, u64>,
    pub(in crate::console::pages) withdrawals: u64,
}

impl Rated {
    /// Counts over the newest withdrawals, those that the policy in force judged.
    pub(in crate::console::pages) fn of(vault: &Vault) -> Self {
        let (mut rated, in_force) = (Self::default(), vault.policy().hash());
        // Their ids are in order of time.
        let newest = vault.withdrawals().values().rev().take(MOST_COUNTED);
        newest
            .filter_map(|withdrawal| withdrawal.verdict.as_ref())
            .filter(|verdict| verdict.policy == in_force)
            .for_each(|verdict| rated.take(verdict));
        rated
    }

    fn take(&mut self, verdict: &Verdict) {
        self.withdrawals = self.withdrawals.saturating_add(1);
        for reason in &verdict.reasons {
            let counts = match reason {
                Reason::LimitWithin { .. } | Reason::LimitExceeded { .. } => &mut self.limits,
                _ => &mut self.rules,
            };
            if let Some(id) = reason.subject() {
                let count = counts.entry(id.to_owned()).or_default();
                *count = count.saturating_add(1);
            }
        }
    }

    /// The policy's lines with their counts.
    pub(in crate::console::pages) fn lines(&self, source: &str) -> Vec<SourceLine> {
        let mut table = "";
        let lines = source.lines().enumerate().map(|(index, text)| {
            let bare = text.trim();
            if bare.starts_with('[') {
                table = bare.split('#').next().unwrap_or_default().trim();
            }
            let counts = match table {
                "[[rules]]" => Some(&self.rules),
                "[[limits]]" => Some(&self.limits),
                _ => None,
            };
            let hits = counts.and_then(|counts| {
                let id = id_in(bare)?;
                Some(counts.get(id).copied().unwrap_or_default())
            });
            SourceLine {
                number: index.saturating_add(1),
                text: text.to_owned(),
                hits,
            }
        });
        lines.collect()
    }
}

/// The id in a line `id = "…"`.
fn id_in(line: &str) -> Option<&str> {
    let value = line
        .strip_prefix("id")?
        .trim_start()
        .strip_prefix('=')?
        .trim_start();
    let quote = value
        .chars()
        .next()
        .filter(|quote| matches!(quote, '"' | '\''))?;
    value.get(1..)?.split(quote).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_and_limit_has_its_count_on_the_line_of_its_id() {
        let source = "version = 1\n[[rules]] # one\nid = \"a\" # x\neffect = \"allow\"\n[[limits]]\nid='a'\n[tiers]\nid = \"a\"\n";
        let rated = Rated {
            rules: [("a".to_owned(), 3)].into(),
            limits: BTreeMap::new(),
            withdrawals: 4,
        };
        let hits: Vec<Option<u64>> = rated.lines(source).iter().map(|line| line.hits).collect();
        assert_eq!(hits, [None, None, Some(3), None, None, Some(0), None, None]);
    }

    #[test]
    fn the_default_policys_rules_and_limits_are_all_found() {
        let source = include_str!("../../../../policies/default.toml");
        let policy = custodyd_policy::Policy::parse(source).unwrap();
        let found = Rated::default().lines(source);
        let counted = found.iter().filter(|line| line.hits.is_some()).count();
        assert_eq!(counted, policy.rule_count() + policy.limit_count());
    }
}
