//! Whether nonces look drawn at random: counts that would be all but impossible if they were.
//!
//! Each count is held against the Chernoff bound of its binomial distribution, and the bounds add up: good nonces are called
//! biased less often than once in ten thousand million times, whatever their number. What that leaves unseen is slight
//! bias: a bit that is set in six of ten nonces needs about 1,700 of them.

/// A nonce, big-endian.
pub(crate) type Nonce = [u8; 32];

/// How often good nonces may be called biased.
const ERROR: f64 = 1e-10;
/// Counts that are looked at: both sides of each bit, each value of each byte, runs at both ends.
const TESTS: f64 = 2.0 * 256.0 + 32.0 * 256.0 + 2.0;

/// What is wrong with these nonces; nothing if they pass. At most a line for each kind of test.
pub(crate) fn findings(nonces: &[Nonce]) -> Vec<String> {
    [
        repeated(nonces),
        lopsided_bit(nonces),
        frequent_byte(nonces),
        run("leading", nonces, |nonce| {
            zeros(nonce.iter(), u8::leading_zeros)
        }),
        run("trailing", nonces, |nonce| {
            zeros(nonce.iter().rev(), u8::trailing_zeros)
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn repeated(nonces: &[Nonce]) -> Option<String> {
    let mut sorted = nonces.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let repeated = nonces.len().saturating_sub(sorted.len());
    (repeated > 0).then(|| format!("{repeated} nonces were used before"))
}

fn lopsided_bit(nonces: &[Nonce]) -> Option<String> {
    (0..256_usize).find_map(|bit| {
        let set = nonces
            .iter()
            .filter(|nonce| {
                let byte = nonce.get(bit / 8).copied().unwrap_or_default();
                byte.rotate_left(u32::try_from(bit % 8).unwrap_or_default()) & 0x80 != 0
            })
            .count();
        let more = set.max(nonces.len().saturating_sub(set));
        impossible(more, nonces.len(), 0.5)
            .then(|| format!("bit {bit} is set in {set} of {} nonces", nonces.len()))
    })
}

/// Finds also what bit counts can't: a top byte that is 0 in half of the nonces and 255 in the others, as small nonces are
/// where a module makes its signatures low-S by itself.
fn frequent_byte(nonces: &[Nonce]) -> Option<String> {
    (0..32_usize).find_map(|place| {
        let mut counts = [0_usize; 256];
        for nonce in nonces {
            let value = usize::from(nonce.get(place).copied().unwrap_or_default());
            if let Some(count) = counts.get_mut(value) {
                *count = count.saturating_add(1);
            }
        }
        let (value, count) = counts
            .into_iter()
            .enumerate()
            .max_by_key(|(_, count)| *count)?;
        impossible(count, nonces.len(), 1.0 / 256.0).then(|| {
            format!(
                "byte {place} is {value} in {count} of {} nonces",
                nonces.len()
            )
        })
    })
}

fn run(end: &str, nonces: &[Nonce], length: impl Fn(&Nonce) -> u32) -> Option<String> {
    let longest = nonces.iter().map(length).max()?;
    let chance = real(nonces.len()) * 0.5_f64.powi(i32::try_from(longest).unwrap_or(i32::MAX));
    (chance < ERROR / TESTS).then(|| format!("a nonce has {longest} {end} zero bits"))
}

fn zeros<'a>(bytes: impl Iterator<Item = &'a u8>, of: fn(u8) -> u32) -> u32 {
    let mut sum = 0_u32;
    for byte in bytes {
        sum = sum.saturating_add(of(*byte));
        if *byte != 0 {
            break;
        }
    }
    sum
}

/// Whether `count` of `all` is too many for a chance of `p` each: exp(−n·KL(count/n ‖ p)) bounds it (Chernoff 1952).
fn impossible(count: usize, all: usize, p: f64) -> bool {
    let share = real(count) / real(all).max(1.0);
    if share <= p {
        return false;
    }
    let term = |a: f64, b: f64| if a > 0.0 { a * (a / b).ln() } else { 0.0 };
    let divergence = term(share, p) + term(1.0 - share, 1.0 - p);
    (-real(all) * divergence).exp() < ERROR / TESTS
}

#[expect(clippy::cast_precision_loss, reason = "counts of thousands")]
const fn real(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    /// Hashes: as good as random, and the same in every run.
    fn good(count: u32, seed: u32) -> Vec<Nonce> {
        (0..count)
            .map(|number| {
                Sha256::digest([seed.to_be_bytes(), number.to_be_bytes()].concat()).into()
            })
            .collect()
    }

    #[test]
    fn good_nonces_pass_in_any_number() {
        for seed in 0..40 {
            for count in [1, 2, 16, 256, 1024] {
                assert_eq!(findings(&good(count, seed)), [""; 0], "{count} of {seed}");
            }
        }
        assert_eq!(findings(&good(20_000, 99)), [""; 0]);
        assert_eq!(findings(&[]), [""; 0]);
    }

    #[test]
    fn each_kind_of_bias_is_found() {
        type Spoil = fn(usize, &mut Nonce);
        let spoilt: [(&str, Spoil); 6] = [
            ("byte 0 is 0", |_, nonce| nonce[0] = 0),
            ("bit 3 is set in 0", |_, nonce| nonce[0] &= 0xef),
            ("byte 31 is 65", |_, nonce| nonce[31] = 65),
            ("byte 0 is", |number, nonce| {
                nonce[0] = if number % 2 == 0 { 0 } else { 255 };
            }),
            ("leading zero bits", |number, nonce| {
                if number == 7 {
                    nonce[..9].fill(0);
                }
            }),
            ("trailing zero bits", |number, nonce| {
                if number == 7 {
                    nonce[23..].fill(0);
                }
            }),
        ];
        for (expected, spoil) in spoilt {
            let mut nonces = good(1024, 5);
            for (number, nonce) in nonces.iter_mut().enumerate() {
                spoil(number, nonce);
            }
            let found = findings(&nonces).join("; ");
            assert!(found.contains(expected), "{expected}: {found}");
        }
    }

    #[test]
    fn one_repeated_nonce_is_found_among_many() {
        let mut nonces = good(1024, 6);
        nonces[1000] = nonces[3];
        assert_eq!(findings(&nonces), ["1 nonces were used before"]);
    }

    #[test]
    fn a_bit_set_three_times_in_four_is_found() {
        let mut nonces = good(1024, 7);
        for nonce in nonces.iter_mut().step_by(2) {
            nonce[10] |= 0x01;
        }
        assert!(findings(&nonces).join("").contains("bit 87"));
    }
}
