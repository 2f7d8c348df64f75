//! The wire form of a Bitcoin-family transaction, read strictly and by nothing that writes it: no
//! rust-bitcoin in this file. Only the shape is judged here; [`super::decode`] judges the meaning.
//! Layout: BIP-144; compact sizes: the protocol's, shortest form only.

use sha2::{Digest as _, Sha256};

use crate::decode::DecodeError;

/// Most bytes that are looked at: the largest standard transaction (`MAX_STANDARD_TX_WEIGHT`).
const MAX_BYTES: usize = 400_000;

/// An input as it stands in the bytes.
pub(super) struct WireInput {
    /// In the order of the bytes, not as displayed.
    pub(super) txid: [u8; 32],
    pub(super) vout: u32,
    pub(super) script_sig: Vec<u8>,
    pub(super) sequence: u32,
    /// Witness stack, bottom first.
    pub(super) witness: Vec<Vec<u8>>,
}

/// An output as it stands in the bytes.
pub(super) struct WireOutput {
    pub(super) value: u64,
    pub(super) script: Vec<u8>,
}

/// A transaction as it stands in the bytes.
pub(super) struct WireTransaction {
    pub(super) version: u32,
    pub(super) inputs: Vec<WireInput>,
    pub(super) outputs: Vec<WireOutput>,
    pub(super) lock_time: u32,
    /// Hash over everything but marker, flag and witnesses; display order.
    pub(super) txid: String,
}

impl WireTransaction {
    /// Reads a transaction with witnesses (BIP-144), to the last byte.
    pub(super) fn signed(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes)?;
        let version = reader.u32()?;
        match reader.array()? {
            [0x00, 0x01] => {}
            [marker, flag] => return Err(DecodeError::SegwitMarker { marker, flag }),
        }
        let body_start = reader.rest;
        let (mut inputs, outputs) = reader.body()?;
        let body = consumed(body_start, reader.rest);
        for input in &mut inputs {
            let items = reader.compact_size()?;
            for _ in 0..items {
                let item = reader.var_bytes()?;
                input.witness.push(item);
            }
        }
        let lock_time = reader.end()?;
        let txid = display_txid(&[&version.to_le_bytes(), body, &lock_time.to_le_bytes()]);
        Ok(WireTransaction {
            version,
            inputs,
            outputs,
            lock_time,
            txid,
        })
    }

    /// Reads a transaction without witnesses, to the last byte.
    pub(super) fn unsigned(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes)?;
        let version = reader.u32()?;
        let (inputs, outputs) = reader.body()?;
        let lock_time = reader.end()?;
        Ok(WireTransaction {
            version,
            inputs,
            outputs,
            lock_time,
            txid: display_txid(&[bytes]),
        })
    }
}

/// SHA-256 twice.
pub(super) fn double_sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Sha256::digest(hasher.finalize()).into()
}

fn display_txid(parts: &[&[u8]]) -> String {
    let mut hash = double_sha256(parts);
    hash.reverse();
    hex::encode(hash)
}

fn consumed<'a>(before: &'a [u8], after: &[u8]) -> &'a [u8] {
    before
        .get(..before.len().saturating_sub(after.len()))
        .unwrap_or_default()
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_BYTES {
            return Err(DecodeError::TooLong {
                length: bytes.len(),
                limit: MAX_BYTES,
            });
        }
        Ok(Reader { rest: bytes })
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    fn compact_size(&mut self) -> Result<u64, DecodeError> {
        let (value, least) = match self.array()? {
            [0xfd] => (u16::from_le_bytes(self.array()?).into(), 0xfd),
            [0xfe] => (self.u32()?.into(), 0x1_0000),
            [0xff] => (u64::from_le_bytes(self.array()?), 0x1_0000_0000),
            [small] => (small.into(), 0),
        };
        if value < least {
            return Err(DecodeError::NotCanonical("a compact size"));
        }
        Ok(value)
    }

    fn var_bytes(&mut self) -> Result<Vec<u8>, DecodeError> {
        let length = usize::try_from(self.compact_size()?).map_err(|_| DecodeError::Truncated)?;
        self.take(length).map(<[u8]>::to_vec)
    }

    /// Inputs and outputs. Counts are not trusted for allocation: each item must be there to be read.
    fn body(&mut self) -> Result<(Vec<WireInput>, Vec<WireOutput>), DecodeError> {
        let mut inputs = Vec::new();
        for _ in 0..self.compact_size()? {
            let (txid, vout) = (self.array()?, self.u32()?);
            let (script_sig, sequence) = (self.var_bytes()?, self.u32()?);
            inputs.push(WireInput {
                txid,
                vout,
                script_sig,
                sequence,
                witness: Vec::new(),
            });
        }
        let mut outputs = Vec::new();
        for _ in 0..self.compact_size()? {
            let value = u64::from_le_bytes(self.array()?);
            outputs.push(WireOutput {
                value,
                script: self.var_bytes()?,
            });
        }
        Ok((inputs, outputs))
    }

    /// The lock time, which must be the last thing.
    fn end(&mut self) -> Result<u32, DecodeError> {
        let lock_time = self.u32()?;
        if !self.rest.is_empty() {
            return Err(DecodeError::TrailingBytes(self.rest.len()));
        }
        Ok(lock_time)
    }
}
