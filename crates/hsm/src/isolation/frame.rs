//! Frames on the socket between a worker process and its host: a length of four bytes (big-endian), then as many bytes.
//!
//! Invariant: a length is bounded before anything is allocated for it. Either side may have gone mad: the worker has a
//! vendor's library in its memory.

use std::io::{self, Read};

use serde::{Serialize, de::DeserializeOwned};

/// Longest frame to a worker: a request, or how to open the token.
pub(super) const MOST_TO_WORKER: usize = 256 * 1024;

/// Longest frame from a worker: a list of some hundred thousand keys.
pub(super) const MOST_FROM_WORKER: usize = 32 * 1024 * 1024;

const HEAD: usize = 4;

/// Why a frame can't be sent or understood.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("a frame of {bytes} bytes, {most} are the most")]
    TooLong { bytes: usize, most: usize },
    #[error("a frame that cannot be understood: {0}")]
    Garbled(#[from] postcard::Error),
}

/// A message as a frame.
pub(super) fn frame<T: Serialize>(message: &T, most: usize) -> Result<Vec<u8>, FrameError> {
    let mut bytes = postcard::to_extend(message, vec![0; HEAD])?;
    let head = head(bytes.len().saturating_sub(HEAD), most)?;
    for (place, byte) in bytes.iter_mut().zip(head) {
        *place = byte;
    }
    Ok(bytes)
}

/// The length in front of a frame.
pub(super) fn head(bytes: usize, most: usize) -> Result<[u8; HEAD], FrameError> {
    match u32::try_from(bytes) {
        Ok(length) if bytes <= most => Ok(length.to_be_bytes()),
        _ => Err(FrameError::TooLong { bytes, most }),
    }
}

/// Reads the next frame into `bytes`, which it replaces. False when the other side has closed.
pub(super) fn read(
    from: &mut impl Read,
    most: usize,
    bytes: &mut Vec<u8>,
) -> Result<bool, FrameError> {
    let mut head = [0; HEAD];
    // An end between frames is an end; within one it is an error.
    loop {
        match from.read(&mut head) {
            Ok(0) => return Ok(false),
            Ok(some) => {
                from.read_exact(head.get_mut(some..).unwrap_or_default())?;
                break;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let length = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
    if length > most {
        return Err(FrameError::TooLong {
            bytes: length,
            most,
        });
    }
    bytes.clear();
    // Exactly: a PIN is not to be moved once more to fit, leaving itself behind.
    bytes.reserve_exact(length);
    bytes.resize(length, 0);
    from.read_exact(bytes)?;
    Ok(true)
}

/// The message in a frame, and nothing behind it.
pub(super) fn message<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FrameError> {
    match postcard::take_from_bytes(bytes)? {
        (message, []) => Ok(message),
        _ => Err(postcard::Error::DeserializeBadEncoding.into()),
    }
}

/// Reads one frame and the message in it; none when the other side has closed.
pub(super) fn next<T: DeserializeOwned>(
    from: &mut impl Read,
    most: usize,
    bytes: &mut Vec<u8>,
) -> Result<Option<T>, FrameError> {
    if read(from, most, bytes)? {
        message(bytes).map(Some)
    } else {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_framed_is_read_back_and_then_comes_the_end() {
        let mut stream = frame(&("a", 7_u64), 64).unwrap();
        stream.extend(frame(&("b", 8_u64), 64).unwrap());
        let (mut from, mut bytes) = (stream.as_slice(), Vec::new());
        for expected in [("a".to_owned(), 7_u64), ("b".to_owned(), 8)] {
            assert_eq!(next(&mut from, 64, &mut bytes).unwrap(), Some(expected));
        }
        assert!(!read(&mut from, 64, &mut bytes).unwrap());
    }

    #[test]
    fn an_oversized_frame_is_refused_on_both_sides_before_memory_is_taken() {
        let refused = frame(&[7_u8; 32].as_slice(), 32);
        assert!(matches!(
            refused,
            Err(FrameError::TooLong { bytes: 33, .. })
        ));
        let (mut from, mut bytes) = ([0xff; 8].as_slice(), Vec::new());
        let refused = read(&mut from, MOST_FROM_WORKER, &mut bytes);
        assert!(matches!(refused, Err(FrameError::TooLong { .. })));
        assert_eq!(bytes.capacity(), 0);
    }

    #[test]
    fn a_torn_frame_and_bytes_too_many_are_errors() {
        let whole = frame(&7_u64, 64).unwrap();
        let mut bytes = Vec::new();
        for length in 1..whole.len() {
            let torn = read(&mut &whole[..length], 64, &mut bytes);
            assert!(matches!(torn, Err(FrameError::Io(_))), "{length}");
        }
        assert!(matches!(
            message::<u8>(&[1, 2]),
            Err(FrameError::Garbled(_))
        ));
    }
}
