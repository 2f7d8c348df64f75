//! When a failed delivery is tried again: later each time, and never all at one moment. Pure: chance is passed in.

/// The first pause, milliseconds.
const FIRST_MS: u64 = 1_000;
/// The longest, milliseconds.
const LONGEST_MS: u64 = 3_600_000;

/// Milliseconds until the next try after `failures` of them, at least 1: doubled each time up to an hour, and of that the
/// upper half at random, so that what failed together does not come back together.
pub(crate) fn pause_ms(failures: u32, chance: u64) -> u64 {
    let doublings = failures.saturating_sub(1).min(31);
    let whole = FIRST_MS.saturating_mul(1 << doublings).min(LONGEST_MS);
    let half = whole / 2;
    let random = chance.checked_rem(half.saturating_add(1)).unwrap_or(0);
    half.saturating_add(random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour_and_stay_between_half_and_whole() {
        for failures in 0_u32..100 {
            let whole = (FIRST_MS << failures.saturating_sub(1).min(31)).min(LONGEST_MS);
            assert_eq!(pause_ms(failures, 0), whole / 2, "{failures}");
            assert_eq!(pause_ms(failures, whole / 2), whole, "{failures}");
            for chance in [1, 7, 12_345, u64::MAX] {
                let pause = pause_ms(failures, chance);
                assert!((whole / 2..=whole).contains(&pause), "{failures} {chance}");
            }
        }
        assert_eq!(
            pause_ms(u32::MAX, u64::MAX % 1_800_001),
            LONGEST_MS / 2 + u64::MAX % 1_800_001
        );
    }
}
