//! The maps of a PSBT as they stand in the bytes, read strictly: each key once, lengths in their shortest form, as
//! many maps as the transaction has inputs and outputs, and nothing behind them.

use std::collections::BTreeMap;

use bitcoin::Transaction;
use bitcoin::consensus::encode::deserialize;

use super::{Place, PsbtError, key_type};

/// Keys (type byte and key data) and values.
pub(super) type Map = BTreeMap<Vec<u8>, Vec<u8>>;

const MAGIC: &[u8] = b"psbt\xff";

/// A PSBT, uninterpreted but for its transaction's shape.
pub(super) struct Maps {
    pub(super) transaction: Transaction,
    pub(super) global: Map,
    pub(super) inputs: Vec<Map>,
    pub(super) outputs: Vec<Map>,
}

impl Maps {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, PsbtError> {
        let mut reader = Reader {
            rest: bytes.strip_prefix(MAGIC).ok_or(PsbtError::Magic)?,
        };
        let global = reader.map(Place::Global)?;
        let unsigned =
            global
                .get([key_type::UNSIGNED_TX].as_slice())
                .ok_or(PsbtError::Missing {
                    place: Place::Global,
                    field: "unsigned transaction",
                })?;
        // Only for its counts and outpoints: what it does is decided by chain's decoder, from the bytes.
        let transaction: Transaction = deserialize(unsigned).map_err(|error| {
            let (place, field) = (Place::Global, "unsigned transaction");
            PsbtError::Malformed {
                place,
                field,
                reason: error.to_string(),
            }
        })?;
        let inputs = (0..transaction.input.len())
            .map(|index| reader.map(Place::Input(index)))
            .collect::<Result<_, _>>()?;
        let outputs = (0..transaction.output.len())
            .map(|index| reader.map(Place::Output(index)))
            .collect::<Result<_, _>>()?;
        if !reader.rest.is_empty() {
            return Err(PsbtError::TrailingBytes);
        }
        Ok(Maps {
            transaction,
            global,
            inputs,
            outputs,
        })
    }

    /// The bytes again, keys in order.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for map in std::iter::once(&self.global)
            .chain(&self.inputs)
            .chain(&self.outputs)
        {
            for part in map.iter().flat_map(|(key, value)| [key, value]) {
                write_compact_size(&mut bytes, part.len());
                bytes.extend(part);
            }
            bytes.push(0);
        }
        bytes
    }
}

fn write_compact_size(bytes: &mut Vec<u8>, length: usize) {
    if let Some(small) = u8::try_from(length).ok().filter(|small| *small < 0xfd) {
        bytes.push(small);
    } else if let Ok(short) = u16::try_from(length) {
        bytes.push(0xfd);
        bytes.extend(short.to_le_bytes());
    } else {
        let long = u32::try_from(length).expect("a value of a PSBT is a part of a file of 16 MiB");
        bytes.push(0xfe);
        bytes.extend(long.to_le_bytes());
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Pairs up to the zero byte that ends a map.
    fn map(&mut self, place: Place) -> Result<Map, PsbtError> {
        let mut map = Map::new();
        loop {
            let key = self.var_bytes()?;
            if key.is_empty() {
                return Ok(map);
            }
            let value = self.var_bytes()?;
            if map.insert(key.to_vec(), value.to_vec()).is_some() {
                return Err(PsbtError::DuplicateKey {
                    place,
                    key: hex::encode(key),
                });
            }
        }
    }

    fn var_bytes(&mut self) -> Result<&'a [u8], PsbtError> {
        let length = usize::try_from(self.compact_size()?).map_err(|_| PsbtError::Truncated)?;
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(PsbtError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn compact_size(&mut self) -> Result<u64, PsbtError> {
        let (value, least) = match self.array()? {
            [0xfd] => (u16::from_le_bytes(self.array()?).into(), 0xfd),
            [0xfe] => (u32::from_le_bytes(self.array()?).into(), 0x1_0000),
            [0xff] => (u64::from_le_bytes(self.array()?), 0x1_0000_0000),
            [small] => (u64::from(small), 0),
        };
        if value < least {
            Err(PsbtError::NotCanonical)
        } else {
            Ok(value)
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PsbtError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(PsbtError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }
}
