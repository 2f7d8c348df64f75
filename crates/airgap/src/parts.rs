//! A bundle as a sequence of short texts, for QR codes: parts of a Uniform Resource (BCR-2020-005) of type `bytes`, with a
//! fountain code (BCR-2024-001) behind it: parts do in any order, and what a camera missed is made up for by later ones or comes
//! round again.
//!
//! What is read here comes from a camera or somebody's clipboard: every number in a part is bounded before it is believed.

use ur::{Decoder, Encoder};

/// Bytes of the bundle in a part: its text, some 640 characters of digits and capitals, fits a QR code of version 17.
pub const FRAGMENT_BYTES: usize = 300;
/// The largest tar that is cut into parts: at four parts a second it takes about a minute to show.
pub const MAX_BYTES: usize = 64 * 1024;
/// Parts that one message may have.
const MAX_PARTS: usize = 1_000;
/// Characters of a part.
const MAX_CHARACTERS: usize = 2_400;
/// Lines that are looked at: a camera may see a part many times.
const MAX_LINES: usize = 50_000;
/// What parts of other messages begin with, their type.
const PREFIX: &str = "ur:bytes/";

/// Why parts could not be made or put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartsError {
    /// Too much to be shown.
    #[error(
        "{0} bytes are too many for QR codes: at most {MAX_BYTES}; carry the bundle on a stick"
    )]
    TooLarge(usize),
    /// Nothing there.
    #[error("there is nothing to cut into parts")]
    Empty,
    /// A line that is no part.
    #[error("line {line} is no part of a bundle: {reason}")]
    NoPart {
        /// Counted from 1.
        line: usize,
        /// Why not.
        reason: String,
    },
    /// Not enough of them.
    #[error("{have} of {need} parts are there; scan on")]
    Incomplete {
        /// Parts that are known.
        have: usize,
        /// How many it takes.
        need: usize,
    },
    /// They don't make up a message.
    #[error("the parts don't fit together: {0}")]
    Unfit(String),
}

/// Cuts a tar into parts: those that it takes, and half as many more that make up for any that a camera misses.
///
/// # Errors
/// [`PartsError::TooLarge`], [`PartsError::Empty`].
pub fn to_parts(tar: &[u8]) -> Result<Vec<String>, PartsError> {
    if tar.is_empty() {
        return Err(PartsError::Empty);
    }
    if tar.len() > MAX_BYTES {
        return Err(PartsError::TooLarge(tar.len()));
    }
    let unfit = |error: ur::ur::Error| PartsError::Unfit(error.to_string());
    let message = byte_string(tar);
    let mut encoder = Encoder::bytes(&message, FRAGMENT_BYTES).map_err(unfit)?;
    let needed = encoder.fragment_count();
    let all = needed.saturating_add(needed / 2);
    (0..all)
        .map(|_| encoder.next_part().map_err(unfit))
        .collect()
}

/// Puts parts together, one a line, in any order and any number of times each.
///
/// # Errors
/// The first line that is no part, or how many are missing.
pub fn from_parts(text: &str) -> Result<Vec<u8>, PartsError> {
    let mut decoder = Decoder::default();
    let (mut seen, mut needed) = (std::collections::BTreeSet::new(), 0);
    for (index, line) in text.lines().enumerate() {
        let number = index.saturating_add(1);
        let no_part = |reason: &str| PartsError::NoPart {
            line: number,
            reason: reason.to_owned(),
        };
        if index >= MAX_LINES {
            return Err(no_part("there are too many lines"));
        }
        let part = line.trim().to_ascii_lowercase();
        if part.is_empty() || decoder.complete() || !seen.insert(part.clone()) {
            continue;
        }
        needed = parts_of(&part).map_err(no_part)?;
        decoder
            .receive(&part)
            .map_err(|error| no_part(&error.to_string()))?;
    }
    let message = decoder
        .message()
        .map_err(|error| PartsError::Unfit(error.to_string()))?;
    let incomplete = || PartsError::Incomplete {
        have: decoder.resolved_fragment_count().unwrap_or_default(),
        need: needed,
    };
    let message = message.ok_or_else(incomplete)?;
    let bytes = bytes_of(&message)
        .ok_or_else(|| PartsError::Unfit("what they make up is no CBOR byte string".to_owned()))?;
    Ok(bytes.to_vec())
}

/// Whether a text may be parts of a bundle, by its beginning.
pub fn are_parts(text: &[u8]) -> bool {
    let start = text.get(..PREFIX.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(PREFIX.as_bytes()))
}

/// How many parts the message of this one takes, within bounds.
fn parts_of(part: &str) -> Result<usize, &'static str> {
    if part.len() > MAX_CHARACTERS {
        return Err("it is too long");
    }
    let rest = part
        .strip_prefix(PREFIX)
        .ok_or("it does not begin with ur:bytes/")?;
    let (place, _) = rest.split_once('/').ok_or("it has no place among others")?;
    let (_, count) = place
        .split_once('-')
        .ok_or("it has no place among others")?;
    let count: usize = count.parse().map_err(|_| "its place is no number")?;
    if count == 0 || count > MAX_PARTS {
        return Err("its message would have too many parts");
    }
    Ok(count)
}

/// A CBOR byte string (RFC 8949 §3.1, major type 2) with a length of four bytes.
fn byte_string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut message = vec![0x5a];
    message.extend(length.to_be_bytes());
    message.extend(bytes);
    message
}

/// The bytes of a CBOR byte string, whichever way its length is written.
fn bytes_of(message: &[u8]) -> Option<&[u8]> {
    let (first, rest) = message.split_first()?;
    let (length, bytes) = match first {
        0x40..=0x57 => (usize::from(first & 0x1f), rest),
        0x58 => {
            let (length, bytes) = rest.split_first()?;
            (usize::from(*length), bytes)
        }
        0x59 => {
            let (length, bytes) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), bytes)
        }
        0x5a => {
            let (length, bytes) = rest.split_first_chunk::<4>()?;
            (usize::try_from(u32::from_be_bytes(*length)).ok()?, bytes)
        }
        _ => return None,
    };
    (bytes.len() == length).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar(length: usize) -> Vec<u8> {
        (0..length)
            .map(|n| u8::try_from(n % 251).unwrap())
            .collect()
    }

    #[test]
    fn parts_in_any_order_and_with_some_missing_are_the_same_tar() {
        for length in [1, 299, 300, 10_240, MAX_BYTES] {
            let mut parts = to_parts(&tar(length)).unwrap();
            assert!(
                parts
                    .iter()
                    .all(|part| part.len() < 700 && are_parts(part.as_bytes()))
            );
            parts.reverse();
            let text = parts.join("\n").to_ascii_uppercase();
            assert_eq!(from_parts(&text).unwrap(), tar(length), "{length}");
        }
        let parts = to_parts(&tar(3_000)).unwrap();
        let whole: Vec<String> = parts
            .iter()
            .filter(|part| part.contains("-11/"))
            .cloned()
            .collect();
        assert_eq!(
            whole.len(),
            parts.len(),
            "eleven parts of three hundred bytes"
        );
    }

    #[test]
    fn too_few_parts_say_how_many_are_missing() {
        let parts = to_parts(&tar(3_000)).unwrap();
        let error = from_parts(&parts[..4].join("\n")).unwrap_err();
        assert_eq!(error, PartsError::Incomplete { have: 4, need: 11 });
        assert_eq!(
            from_parts("\n").unwrap_err(),
            PartsError::Incomplete { have: 0, need: 0 }
        );
    }

    #[test]
    fn what_is_no_part_or_of_another_bundle_or_altered_is_refused_by_its_line() {
        let parts = to_parts(&tar(3_000)).unwrap();
        let other = to_parts(&tar(2_999)).unwrap();
        let mut altered = parts[1].clone();
        altered.replace_range(
            altered.len() - 1..,
            if altered.ends_with('a') { "e" } else { "a" },
        );
        for second in [
            "hello",
            "ur:bytes/1-4000000000/aeadao",
            "ur:bytes/1-1001/aeadao",
            "ur:crypto-psbt/1-2/aeadao",
            "ur:bytes/aeadao",
            &other[1],
            &altered,
            &"ur:bytes/1-2/".repeat(400),
        ] {
            let error = from_parts(&format!("{}\n{second}", parts[0])).unwrap_err();
            assert!(
                matches!(error, PartsError::NoPart { line: 2, .. }),
                "{second}: {error}"
            );
        }
    }

    #[test]
    fn what_is_too_large_to_be_shown_is_said_to_be() {
        assert_eq!(to_parts(&[]), Err(PartsError::Empty));
        let error = to_parts(&tar(MAX_BYTES + 1)).unwrap_err();
        assert!(error.to_string().contains("on a stick"), "{error}");
    }

    #[test]
    fn a_byte_string_is_read_whichever_way_its_length_is_written() {
        for length in [0, 23, 24, 255, 256, 65_535, 65_536] {
            assert_eq!(
                bytes_of(&byte_string(&tar(length))),
                Some(tar(length).as_slice())
            );
        }
        assert_eq!(bytes_of(&[0x42, 1, 2]), Some([1, 2].as_slice()));
        assert_eq!(bytes_of(&[0x58, 2, 1, 2]), Some([1, 2].as_slice()));
        for wrong in [
            &[0x42, 1][..],
            &[0x42, 1, 2, 3],
            &[0x82, 1, 2],
            &[0x5a, 0, 0],
            &[],
        ] {
            assert_eq!(bytes_of(wrong), None, "{wrong:?}");
        }
    }
}
