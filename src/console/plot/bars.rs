//! Bars: a tier against what it should hold, and a limit against what it lets through.

use custodyd_chain::{Amount, U256};
use custodyd_policy::{Tier, TierTarget};

use super::{WIDTH, share, text};
use crate::console::words::Figure;

/// One tier's balance against what it should hold.
#[derive(Debug, Clone)]
pub struct TierBar {
    /// The tier.
    pub tier: String,
    /// What it holds.
    pub balance: Figure,
    /// Of that, what no transaction holds back.
    pub available: Figure,
    /// `low`, `high`, `well`, or `even` without a target.
    pub standing: &'static str,
    /// The same in words.
    pub words: String,
    /// Floor, target and ceiling, if the policy names them.
    pub target: Option<[Figure; 3]>,
    /// The bar's width, of 720.
    pub width: String,
    /// Where the marks of floor, target and ceiling stand.
    pub marks: Option<[String; 3]>,
}

impl TierBar {
    /// A bar on a scale that ends at `scale`.
    pub fn of(
        tier: Tier,
        balance: &Amount,
        available: &Amount,
        target: Option<&TierTarget>,
        scale: U256,
    ) -> Self {
        let at = |amount: &Amount| text(share(amount.units(), scale) * WIDTH);
        let (standing, words) = match target {
            None => ("even", "the policy names no target".to_owned()),
            Some(target) if balance.units() < target.floor.units() => {
                let missing = target.target.checked_sub(balance);
                let missing = missing.map(|amount| amount.to_string()).unwrap_or_default();
                ("low", format!("below its floor; {missing} to the target"))
            }
            Some(target) if balance.units() > target.ceiling.units() => {
                let above = balance.checked_sub(&target.target);
                let above = above.map(|amount| amount.to_string()).unwrap_or_default();
                (
                    "high",
                    format!("above its ceiling; {above} over the target"),
                )
            }
            Some(_) => ("well", "between floor and ceiling".to_owned()),
        };
        let figures = |t: &TierTarget| [&t.floor, &t.target, &t.ceiling].map(Figure::from);
        Self {
            tier: tier.to_string(),
            balance: balance.into(),
            available: available.into(),
            standing,
            words,
            target: target.map(figures),
            width: at(balance),
            marks: target.map(|t| [&t.floor, &t.target, &t.ceiling].map(at)),
        }
    }

    /// Where the scale of an asset's bars ends: a tenth beyond the largest of them and of their ceilings.
    pub fn scale<'a>(amounts: impl Iterator<Item = &'a Amount>) -> U256 {
        let most = amounts.map(Amount::units).max().unwrap_or_default();
        most.saturating_add(most / U256::from(10))
    }
}

/// How full a limit is.
#[derive(Debug, Clone)]
pub struct Gauge {
    /// The limit.
    pub limit: String,
    /// What it counts for.
    pub scope: String,
    /// Its window, in words.
    pub window: String,
    /// Used.
    pub used: String,
    /// At most.
    pub max: String,
    /// Hundredths, rounded down.
    pub percent: u32,
    /// The bar's width, of 100.
    pub width: String,
    /// `even`, `near` from 80 of a hundred on, or `full`.
    pub standing: &'static str,
    /// When the oldest of what is used leaves the window.
    pub frees: Option<String>,
}

impl Gauge {
    /// How full, and how that is marked.
    pub fn fill(used: U256, max: U256) -> (u32, String, &'static str) {
        let whole = share(used, max) * 100.0;
        let percent = used.saturating_mul(U256::from(100)) / max.max(U256::from(1));
        let percent = u32::try_from(percent).unwrap_or(u32::MAX);
        let standing = match percent {
            0..80 => "even",
            80..100 => "near",
            _ => "full",
        };
        (percent, text(whole), standing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_below_its_floor_and_one_above_its_ceiling_say_so() {
        let amount = |text: &str| text.parse::<Amount>().unwrap();
        let target = TierTarget {
            floor: amount("10 LTC"),
            target: amount("20 LTC"),
            ceiling: amount("40 LTC"),
        };
        let bar = |text: &str| {
            let balance = amount(text);
            TierBar::of(
                Tier::Hot,
                &balance,
                &balance,
                Some(&target),
                amount("80 LTC").units(),
            )
        };
        let low = bar("9.99999999 LTC");
        assert_eq!(
            (low.standing, low.words.as_str()),
            ("low", "below its floor; 10.00000001 LTC to the target")
        );
        assert_eq!(low.marks.unwrap(), ["90.0", "180.0", "360.0"]);
        assert_eq!(bar("10 LTC").standing, "well");
        assert_eq!(bar("40 LTC").standing, "well");
        let high = bar("50 LTC");
        assert_eq!((high.standing, high.width.as_str()), ("high", "450.0"));
        assert_eq!(high.words, "above its ceiling; 30 LTC over the target");
    }

    #[test]
    fn a_limit_that_is_nearly_used_up_and_one_that_lets_nothing_through_say_so() {
        assert_eq!(
            Gauge::fill(U256::from(4), U256::from(5)),
            (80, "80.0".into(), "near")
        );
        assert_eq!(Gauge::fill(U256::from(9), U256::ZERO).2, "full");
    }
}
