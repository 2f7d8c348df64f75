//! How the daemon's parts are: what doesn't work, and whether a withdrawal needs it. There is this one reading; `/readyz`, the
//! console's header and its treasury tell it, so that none of them says otherwise than another.

use std::collections::BTreeMap;

use custodyd_hsm::{Health, MemberStatus};

use crate::http::AppState;

/// Parts without which withdrawals go on as far as policy lets them: they make the daemon degraded, not unready.
const LESSER: [&str; 5] = ["screening", "prices", "alerts", "feed", "webhooks"];

/// What doesn't work, by name, with the reason of each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    /// What a withdrawal needs: `engine`, `database`, `hsm`, `hsm-journal`, a network, a key.
    pub(crate) trouble: BTreeMap<String, String>,
    /// What a withdrawal can do without: `hsm:` and the name of one of several tokens, or one of `screening`, `prices`,
    /// `alerts`, `feed` and `webhooks:` with a name.
    pub(crate) degraded: BTreeMap<String, String>,
}

impl Condition {
    /// As it is now.
    pub(crate) async fn read(state: &AppState) -> Self {
        let mut reported = BTreeMap::new();
        match &state.pulse {
            Some(pulse) => {
                reported.extend(pulse.trouble());
                if !pulse.is_running() {
                    reported.insert("engine".to_owned(), "it is not running".to_owned());
                }
            }
            None => {
                if let Err(error) = state.store.last_head(state.standing.vault().as_str()).await {
                    reported.insert("database".to_owned(), error.to_string());
                }
            }
        }
        if let Some(error) = state.store.write_trouble() {
            reported.insert("database".to_owned(), error);
        }
        let tokens: Vec<_> = state.hsm.iter().flat_map(|hsm| hsm.members()).collect();
        Self::of(reported, &tokens)
    }

    /// Of what the parts report of themselves, and of the tokens, of which one that works is enough.
    fn of(reported: BTreeMap<String, String>, tokens: &[MemberStatus]) -> Self {
        let (mut degraded, mut trouble): (BTreeMap<_, _>, BTreeMap<_, _>) =
            reported.into_iter().partition(|(part, _)| is_lesser(part));
        let is_out = |token: &MemberStatus| matches!(token.health, Health::Out { .. });
        if !tokens.is_empty() && tokens.iter().all(is_out) {
            trouble.insert("hsm".to_owned(), "every token is out".to_owned());
        }
        let lame = tokens
            .iter()
            .filter_map(|token| Some((format!("hsm:{}", token.name), lack(token)?)));
        degraded.extend(lame);
        Self { trouble, degraded }
    }
}

/// A part's name, or a name within it such as `webhooks:shop`.
fn is_lesser(part: &str) -> bool {
    let part = part.split(':').next().unwrap_or_default();
    LESSER.contains(&part)
}

/// What is wrong with a token.
fn lack(token: &MemberStatus) -> Option<String> {
    match (&token.health, token.missing_keys) {
        (Health::Out { reason }, _) => Some(reason.clone()),
        (Health::Recovering, _) => Some("it recovers, and takes little work".to_owned()),
        (Health::Up, 0) => None,
        (Health::Up, 1) => Some("it lacks a key".to_owned()),
        (Health::Up, keys) => Some(format!("it lacks {keys} keys")),
    }
}

#[cfg(test)]
mod tests {
    use custodyd_hsm::Counters;

    use super::*;

    fn token(name: &str, health: Health, missing_keys: u64) -> MemberStatus {
        MemberStatus {
            name: name.to_owned(),
            info: None,
            health,
            counters: Counters::default(),
            restarts: 0,
            missing_keys,
        }
    }

    fn out() -> Health {
        Health::Out {
            reason: "CKR_DEVICE_REMOVED".to_owned(),
        }
    }

    fn reported<const N: usize>(parts: [&str; N]) -> BTreeMap<String, String> {
        let part = |name: &str| (name.to_owned(), format!("{name} is broken"));
        parts.map(part).into()
    }

    fn names(parts: &BTreeMap<String, String>) -> Vec<&str> {
        parts.keys().map(String::as_str).collect()
    }

    #[test]
    fn one_of_several_tokens_out_is_degraded_and_all_of_them_are_trouble() {
        let one = Condition::of(
            BTreeMap::new(),
            &[token("a", Health::Up, 0), token("b", out(), 0)],
        );
        assert!(one.trouble.is_empty(), "{one:?}");
        assert_eq!(one.degraded["hsm:b"], "CKR_DEVICE_REMOVED");
        assert_eq!(names(&one.degraded), ["hsm:b"]);

        let all = Condition::of(
            BTreeMap::new(),
            &[token("a", out(), 0), token("b", out(), 0)],
        );
        assert_eq!(all.trouble["hsm"], "every token is out");
        assert_eq!(names(&all.degraded), ["hsm:a", "hsm:b"]);

        let back = [token("a", Health::Recovering, 0), token("b", out(), 0)];
        let back = Condition::of(BTreeMap::new(), &back);
        assert!(back.trouble.is_empty(), "one that recovers takes work");
    }

    #[test]
    fn a_token_that_lacks_keys_is_degraded_and_a_well_one_is_not_named() {
        let tokens = [token("a", Health::Up, 2), token("b", Health::Up, 0)];
        let lame = Condition::of(BTreeMap::new(), &tokens);
        assert_eq!(names(&lame.degraded), ["hsm:a"]);
        assert_eq!(lame.degraded["hsm:a"], "it lacks 2 keys");
        assert_eq!(Condition::of(BTreeMap::new(), &[]), Condition::default());
    }

    #[test]
    fn what_withdrawals_can_do_without_is_degraded_and_everything_else_is_trouble() {
        let lesser = ["alerts", "feed", "prices", "screening", "webhooks:shop"];
        let needed = ["database", "engine", "hsm-journal", "litecoin-regtest"];
        let mut parts = reported(lesser);
        parts.extend(reported(needed));
        let all = Condition::of(parts, &[]);
        assert_eq!(names(&all.degraded), lesser);
        assert_eq!(names(&all.trouble), needed);
        assert_eq!(all.trouble["database"], "database is broken");
    }
}
