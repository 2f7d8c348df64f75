//! What an EIP-1559 transaction does, read by ethers-core, which has no part in building it.
//!
//! ethers-core is deprecated and lenient; it can only refuse here. What it is lenient about
//! (bytes after the list, fields after the last, a second spelling of a number) is caught by encoding
//! its reading again and comparing. The account is recovered by libsecp256k1 over the digest of what
//! ethers-core read: its own recovery would cost as much as the rest of a signature's path.

use alloy_primitives::U256;
use ethers_core::types::transaction::eip1559::Eip1559TransactionRequest;
use ethers_core::types::transaction::eip2718::TypedTransaction;
use ethers_core::types::{Signature as EthersSignature, U64, U256 as EthersU256};
use ethers_core::utils::rlp::{DecoderError, Rlp};

use crate::address::Address;
use crate::amount::Amount;
use crate::asset::Asset;
use crate::decode::DecodeError;
use crate::effects::{Effects, Payment};
use crate::keys::Digest;
use crate::network::{EvmChainId, Network};
use crate::signature::Signature;
use crate::signature_point::SignaturePoint;

/// EIP-2718 type of EIP-1559.
const TYPE: u8 = 0x02;
/// Fields before the signature.
const UNSIGNED_FIELDS: usize = 9;
/// With y parity, r and s.
const SIGNED_FIELDS: usize = 12;
/// Place of the access list; empty, it is one byte.
const ACCESS_LIST: usize = 8;
const EMPTY_LIST: [u8; 1] = [0xc0];
/// A signed plain transfer has at most 197 bytes.
const MAX_BYTES: usize = 1_024;

/// A signed transaction, read, its account recovered.
pub(crate) struct Decoded {
    pub(crate) effects: Effects,
    pub(crate) digest: Digest,
    pub(crate) point: SignaturePoint,
}

/// Reads a signed transaction of this chain.
pub(crate) fn signed(chain: EvmChainId, raw: &[u8]) -> Result<Decoded, DecodeError> {
    let list = fields(raw, SIGNED_FIELDS)?;
    let request = base(&list)?;
    let parity: U64 = list.val_at(9).map_err(rlp)?;
    let (r, s): (EthersU256, EthersU256) =
        (list.val_at(10).map_err(rlp)?, list.val_at(11).map_err(rlp)?);
    if parity > U64::one() {
        return Err(DecodeError::Range("y parity"));
    }
    let (mut effects, typed) = effects(request)?;
    if effects.network != Network::Evm(chain) {
        let (expected, found) = (Network::Evm(chain), effects.network);
        return Err(DecodeError::WrongChain { expected, found });
    }
    let again = typed.rlp_signed(&EthersSignature {
        r,
        s,
        v: parity.as_u64(),
    });
    if again.as_ref() != raw {
        return Err(DecodeError::NotCanonical("the RLP"));
    }
    let signature = Signature::from_compact(&join(r, s)).map_err(DecodeError::Signature)?;
    let digest = Digest::from_bytes(typed.sighash().0);
    let parity = u8::from(parity == U64::one());
    let key = signature
        .recover(&digest, parity)
        .ok_or(DecodeError::Unrecoverable)?;
    effects.account = Some(Address::from_public_key(chain.into(), &key));
    let point = SignaturePoint {
        public_key: key,
        nonce: signature.nonce(),
        digest,
    };
    Ok(Decoded {
        effects,
        digest,
        point,
    })
}

/// Reads an unsigned transaction; its effects and the digest that signs it.
pub(crate) fn unsigned(bytes: &[u8]) -> Result<(Effects, Digest), DecodeError> {
    let list = fields(bytes, UNSIGNED_FIELDS)?;
    let (effects, typed) = effects(base(&list)?)?;
    if typed.rlp().as_ref() != bytes {
        return Err(DecodeError::NotCanonical("the RLP"));
    }
    Ok((effects, Digest::from_bytes(typed.sighash().0)))
}

fn rlp(error: DecoderError) -> DecodeError {
    DecodeError::Rlp(error.to_string())
}

/// The one list behind the type byte, of exactly `expected` fields and exactly as long as the bytes.
fn fields(bytes: &[u8], expected: usize) -> Result<Rlp<'_>, DecodeError> {
    if bytes.len() > MAX_BYTES {
        return Err(DecodeError::TooLong {
            length: bytes.len(),
            limit: MAX_BYTES,
        });
    }
    let (kind, rest) = bytes.split_first().ok_or(DecodeError::Truncated)?;
    if *kind != TYPE {
        return Err(DecodeError::TransactionType(*kind));
    }
    let list = Rlp::new(rest);
    if !list.is_list() {
        return Err(DecodeError::Rlp("expected a list".to_owned()));
    }
    let total = list.payload_info().map_err(|error| match error {
        DecoderError::RlpIsTooShort => DecodeError::Truncated,
        error => rlp(error),
    })?;
    match rest.len().checked_sub(total.total()) {
        None => return Err(DecodeError::Truncated),
        Some(0) => {}
        Some(trailing) => return Err(DecodeError::TrailingBytes(trailing)),
    }
    let found = list.item_count().map_err(rlp)?;
    if found != expected {
        return Err(DecodeError::Fields { found, expected });
    }
    Ok(list)
}

fn base(list: &Rlp<'_>) -> Result<Eip1559TransactionRequest, DecodeError> {
    // Checked before ethers-core walks it: nesting there is the sender's to choose.
    if list.at(ACCESS_LIST).map_err(rlp)?.as_raw() != EMPTY_LIST {
        return Err(DecodeError::AccessList);
    }
    Eip1559TransactionRequest::decode_base_rlp(list, &mut 0).map_err(rlp)
}

/// The effects of the nine fields, without the account.
fn effects(request: Eip1559TransactionRequest) -> Result<(Effects, TypedTransaction), DecodeError> {
    let chain = request
        .chain_id
        .filter(|id| !id.is_zero())
        .ok_or(DecodeError::MissingChainId)?;
    let network = Network::Evm(EvmChainId::new(chain.as_u64())?);
    if let Some(data) = request.data.as_ref().filter(|data| !data.is_empty()) {
        return Err(DecodeError::Calldata(data.len()));
    }
    let typed = TypedTransaction::Eip1559(request);
    let to = typed.to_addr().ok_or(DecodeError::ContractCreation)?.0;
    if to == [0; 20] {
        return Err(DecodeError::ZeroAddress);
    }
    let field = |value: Option<&EthersU256>| value.copied().map(to_u256).unwrap_or_default();
    let nonce = u64::try_from(field(typed.nonce())).map_err(|_| DecodeError::Range("nonce"))?;
    let fee = field(typed.gas())
        .checked_mul(field(typed.gas_price().as_ref()))
        .ok_or(DecodeError::Range("fee"))?;
    let payment = Payment {
        to: Address::from_account(network, to),
        amount: Amount::from_units(Asset::Eth, field(typed.value()))?,
    };
    let effects = Effects {
        network,
        payments: vec![payment],
        inputs: Vec::new(),
        fee: Amount::from_units(Asset::Eth, fee)?,
        account: None,
        nonce: Some(nonce),
    };
    Ok((effects, typed))
}

fn to_u256(value: EthersU256) -> U256 {
    let mut bytes = [0; 32];
    value.to_big_endian(&mut bytes);
    U256::from_be_bytes(bytes)
}

fn join(r: EthersU256, s: EthersU256) -> [u8; 64] {
    let mut bytes = [0; 64];
    let (high, low) = bytes.split_at_mut(32);
    r.to_big_endian(high);
    s.to_big_endian(low);
    bytes
}
