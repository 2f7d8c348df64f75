//! Multiples of a point, kept so that a scalar times the point is a sum of some of them. In variable time: which are added tells the
//! scalar, so this is for what anybody may know, as everything in a signature's verification is (ADR 25).

use curve25519_dalek::{EdwardsPoint, Scalar, traits::Identity as _};

/// d · 2^(`window` · i) · P for each d from 1 to 2^(`window` − 1) and each place i of a scalar written in base 2^`window`. Digits are
/// signed, from −2^(`window` − 1) + 1 to 2^(`window` − 1), so the negative multiples need not be kept.
#[derive(Debug)]
pub(crate) struct Multiples {
    window: u32,
    points: Vec<EdwardsPoint>,
}

/// Bits of a scalar below the group's order, 2^252 and some (RFC 8032 §5.1), and one for the last carry.
const BITS: u32 = 254;

impl Multiples {
    /// Those of `point`, in windows of two to eight bits: ⌈254 ÷ `window`⌉ · 2^(`window` − 1) points of 160 bytes.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "a sum of points is a point; the rest is small"
    )]
    pub(crate) fn of(point: &EdwardsPoint, window: u32) -> Self {
        let window = window.clamp(2, 8);
        let digits = 1_usize << (window - 1);
        let mut unit = *point;
        let points = (0..BITS.div_ceil(window))
            .flat_map(|_| {
                let one = unit;
                (0..window).for_each(|_| unit += unit);
                std::iter::successors(Some(one), move |multiple| Some(multiple + one)).take(digits)
            })
            .collect();
        Self { window, points }
    }

    /// `sum` + \[`scalar`\]P. The scalar is below the group's order, as each that dalek reduced or took as canonical.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "a sum of points is a point; digits are of at most nine bits"
    )]
    pub(crate) fn add(&self, mut sum: EdwardsPoint, scalar: &Scalar) -> EdwardsPoint {
        let base = 1_u32 << self.window;
        let half = base >> 1;
        let mut bits = 0_u32;
        let mut held = 0;
        let mut bytes = scalar.as_bytes().iter();
        let mut carry = 0;
        for row in self.points.chunks_exact(half as usize) {
            if held < self.window {
                bits |= bytes.next().map_or(0, |byte| u32::from(*byte) << held);
                held += 8;
            }
            let digit = (bits & (base - 1)) + carry;
            bits >>= self.window;
            held -= self.window;
            carry = u32::from(digit > half);
            if carry == 1 {
                if let Some(point) = row.get((base - digit).wrapping_sub(1) as usize) {
                    sum -= point;
                }
            } else if let Some(point) = row.get(digit.wrapping_sub(1) as usize) {
                sum += point;
            }
        }
        sum
    }

    /// \[`scalar`\]P, of a scalar as in [`Multiples::add`].
    pub(crate) fn times(&self, scalar: &Scalar) -> EdwardsPoint {
        self.add(EdwardsPoint::identity(), scalar)
    }
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
    use proptest::prelude::*;

    use super::*;

    fn agree(multiples: &Multiples, point: EdwardsPoint, scalar: Scalar) {
        assert_eq!(multiples.times(&scalar), point * scalar);
        assert_eq!(
            multiples.add(ED25519_BASEPOINT_POINT, &scalar),
            ED25519_BASEPOINT_POINT + point * scalar
        );
    }

    /// Each digit there is, at each place, among them those that carry through all places above.
    #[test]
    fn every_digit_at_every_place_is_what_the_library_multiplies() {
        for window in 2..=8 {
            for point in [
                ED25519_BASEPOINT_POINT,
                ED25519_BASEPOINT_POINT + EIGHT_TORSION[1],
            ] {
                let multiples = Multiples::of(&point, window);
                for bit in 0..252_u32 {
                    let power = (0..bit).fold(Scalar::ONE, |power, _| power + power);
                    for scalar in [power, power - Scalar::ONE, -power, power + power + power] {
                        agree(&multiples, point, scalar);
                    }
                }
                for digit in 0..=256_u64 {
                    agree(&multiples, point, Scalar::from(digit));
                    agree(&multiples, point, -Scalar::from(digit));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_scalar_is_what_the_library_multiplies(
            wide in any::<[u8; 32]>(),
            seed in any::<[u8; 32]>(),
            window in 2_u32..=8,
        ) {
            let point = EdwardsPoint::mul_base(&Scalar::from_bytes_mod_order(seed));
            let scalar = Scalar::from_bytes_mod_order(wide);
            agree(&Multiples::of(&point, window), point, scalar);
        }
    }
}
